#!/usr/bin/perl
# Asks the bus one question: ask.pl TEXT [MODEL [SECONDS]]. Needs Debian's libzmq-ffi-perl.
# Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered or can be asked.
use v5.36;
use JSON::PP;
use List::Util qw(max min);
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);
use ZMQ::FFI qw(ZMQ_REQ ZMQ_IMMEDIATE ZMQ_RCVTIMEO ZMQ_SNDTIMEO);

binmode $_, ':encoding(UTF-8)' for *STDOUT, *STDERR;
my $is_utf8 = !grep { !utf8::decode($_) } @ARGV;
my ($text, $model, $seconds) = @ARGV;
$seconds //= 60;
give_up('usage: ask.pl TEXT [MODEL [SECONDS]], in UTF-8, SECONDS from 1 to 86400')
    unless $is_utf8 && $seconds =~ /^[0-9]+([.][0-9]+)?\z/ && $seconds >= 1 && $seconds <= 86400;
my ($named, $runtime) = @ENV{qw(UNDERSTUDY_DIR XDG_RUNTIME_DIR)};
my $directory = $named || ($runtime ? "$runtime/understudy" : "/tmp/understudy-$>");
give_up("$directory is no directory of this user's with mode 0700; is there an 'understudy up'?")
    unless $named || $runtime || is_ours($directory);
my $endpoint = "ipc://$directory/agents.sock";
my $context  = ZMQ::FFI->new;
my $json     = JSON::PP->new->utf8->allow_nonref;

sub give_up ($message) {
    print STDERR "$message\n";
    exit 2;
}

# Anyone can make a directory in /tmp.
sub is_ours ($directory) {
    my ($mode, $owner) = (lstat $directory)[2, 4];
    return defined $mode && -d _ && $owner == $> && ($mode & 0777) == 0700;
}

# Sends a message on a socket of its own and waits for the answer, up to 5 s each: the sending at most until the $left
# seconds are over, the answer 5 s longer. Gives whether it was sent; verb, header and body of the answer, if one came.
sub exchange ($left, @frames) {
    my $socket = $context->socket(ZMQ_REQ);
    $socket->set_linger(0);
    $socket->set(ZMQ_IMMEDIATE, 'int', 1);    # Nothing is sent before there is a broker.
    $socket->set(ZMQ_SNDTIMEO, 'int', int 1000 * min(5, max(0.5, $left)));
    $socket->set(ZMQ_RCVTIMEO, 'int', int 1000 * min(5, max(0, $left + 5)));
    eval { $socket->connect($endpoint); 1 } or give_up("cannot connect to $endpoint: " . $socket->last_strerror);
    my $is_sent = eval { $socket->send_multipart(['UBP/1', @frames]); 1 };
    my @answer  = $is_sent ? eval { $socket->recv_multipart } : ();
    $socket->close;
    return $is_sent unless @answer;
    my (undef, $verb, undef, $header, @body) = @answer;
    return ($is_sent, $verb, $json->decode($header || '{}'), join '', @body);
}

sub clock { clock_gettime(CLOCK_MONOTONIC) }

# The call itself. The same id is the same request: sent twice, it runs once.
sub call ($id, $body, $seconds) {
    my ($finish, $backoff_ms, $is_sent) = (clock() + $seconds, 500, 0);
    # The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
    while ((my $left = $finish - clock()) > ($is_sent ? -5 : 0)) {
        my $deadline = $left > 1 ? int($left * 1000) : 1000;
        ($is_sent, my ($verb, $header, $reply)) = exchange($left,
            $is_sent ? ('GET', $id, '{"wait_ms":4000}') : ('REQUEST', $id, qq({"deadline_ms":$deadline}), $body));
        next if !defined $verb || $verb eq 'STATE';
        return ($verb, $header, $reply) if $verb !~ /^(REJECTED|ERROR)$/ || $header->{retry} ne 'same_id';
        # No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
        my $pause = ($header->{retry_after_ms} // $backoff_ms) / 1000;
        return ($verb, $header, $reply) if clock() + $pause > $finish;
        sleep($pause);
        $backoff_ms = min(2 * $backoff_ms, 8000);
        $is_sent    = 0;
    }
    give_up("no answer within $seconds s from $endpoint; is there an 'understudy up'?");
}

open my $random, '<:raw', '/dev/urandom' or die "no /dev/urandom: $!";
read $random, my $bytes, 16;
my $id      = unpack 'H*', $bytes;
my $request = { messages => [{ role => 'user', content => $text // 'Hello?' }] };
$request->{model} = $model if defined $model;
my ($verb, $header, $reply) = call($id, $json->encode($request), $seconds);
if ($verb eq 'REPLY') {
    my $message = $json->decode($reply)->{choices}[0]{message};
    say $message->{content} // JSON::PP->new->encode($message);
    my $meta = $header->{meta};
    say join ' ', map { "$_=$meta->{$_}" } qw(resolved_model attempts fallbacks) if $meta;
    STDOUT->flush && !STDOUT->error
        or give_up("the answer could not be written; the broker keeps it under the id $id");
}
exchange(0, 'ACK', $id, '') if $verb =~ /^(REPLY|FAILURE)$/;    # The result is safe: the broker may forget it.
exit 0 if $verb eq 'REPLY';
print STDERR "$verb $header->{code} $header->{symbol}: $header->{message} "
    . "(retry: $header->{retry}, billed: $header->{billed})\n";
exit 1;
