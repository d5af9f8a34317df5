#!/usr/bin/perl
# Asks the bus one question: ask.pl TEXT [MODEL [SECONDS]]. Needs Debian's libzmq-ffi-perl.
# Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered.
use v5.36;
use JSON::PP;
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);
use ZMQ::FFI qw(ZMQ_REQ ZMQ_RCVTIMEO);

utf8::decode($_) for @ARGV;
binmode $_, ':encoding(UTF-8)' for *STDOUT, *STDERR;
my ($text, $model, $seconds) = @ARGV;
my $runtime   = $ENV{XDG_RUNTIME_DIR};
my $directory = $ENV{UNDERSTUDY_DIR} || ($runtime ? "$runtime/understudy" : "/tmp/understudy-$<");
my $endpoint  = "ipc://$directory/agents.sock";
my $context   = ZMQ::FFI->new;
my $json      = JSON::PP->new->utf8->allow_nonref;

# Sends a message on a socket of its own; gives verb, header and body of the answer, nothing after 5 s of silence.
sub exchange (@frames) {
    my $socket = $context->socket(ZMQ_REQ);
    $socket->set_linger(0);
    $socket->set(ZMQ_RCVTIMEO, 'int', 5000);
    $socket->connect($endpoint);
    $socket->send_multipart(['UBP/1', @frames]);
    my @answer = eval { $socket->recv_multipart };
    $socket->close;
    return unless @answer;
    my (undef, $verb, undef, $header, @body) = @answer;
    return ($verb, $json->decode($header || '{}'), join '', @body);
}

sub clock { clock_gettime(CLOCK_MONOTONIC) }

# The call itself. The same id is the same request: sent twice, it runs once.
sub call ($id, $body, $seconds) {
    my ($finish, $is_sent) = (clock() + $seconds, 0);
    # The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
    while ((my $left = $finish - clock()) > -5) {
        my $deadline = $left > 1 ? int($left * 1000) : 1000;
        my ($verb, $header, $reply) = exchange(
            $is_sent ? ('GET', $id, '{"wait_ms":4000}') : ('REQUEST', $id, qq({"deadline_ms":$deadline}), $body));
        $is_sent = 1;
        next if !defined $verb || $verb eq 'STATE';
        return ($verb, $header, $reply) if $verb !~ /^(REJECTED|ERROR)$/ || $header->{retry} ne 'same_id';
        # No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
        sleep(($header->{retry_after_ms} // 1000) / 1000);
        $is_sent = 0;
    }
    print STDERR "no answer within $seconds s from $endpoint; is there an 'understudy up'?\n";
    exit 2;
}

open my $random, '<:raw', '/dev/urandom' or die "no /dev/urandom: $!";
read $random, my $bytes, 16;
my $id      = unpack 'H*', $bytes;
my $request = { messages => [{ role => 'user', content => $text // 'Hello?' }] };
$request->{model} = $model if defined $model;
my ($verb, $header, $reply) = call($id, $json->encode($request), $seconds // 60);
if ($verb eq 'REPLY') {
    my $message = $json->decode($reply)->{choices}[0]{message};
    say $message->{content} // JSON::PP->new->encode($message);
    my $meta = $header->{meta};
    say join ' ', map { "$_=$meta->{$_}" } qw(resolved_model attempts fallbacks) if $meta;
    STDOUT->flush;
}
exchange('ACK', $id, '') if $verb =~ /^(REPLY|FAILURE)$/;    # The result is safe: the broker may forget it.
exit 0 if $verb eq 'REPLY';
print STDERR "$verb $header->{code} $header->{symbol}: $header->{message} "
    . "(retry: $header->{retry}, billed: $header->{billed})\n";
exit 1;
