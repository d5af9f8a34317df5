#!/usr/bin/php
<?php
// Asks the bus one question: ask.php TEXT [MODEL [SECONDS]]. Needs Debian's php-cli and php-zmq.
// Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered or can be asked.
declare(strict_types=1);

function give_up(string $message): never
{
    fwrite(STDERR, "$message\n");
    exit(2);
}

/** Anyone can make a directory in /tmp. */
function is_ours(string $directory): bool
{
    $status = @lstat($directory);
    return $status && $status['mode'] === 0040700 && $status['uid'] === posix_geteuid();
}

$seconds = $argv[3] ?? '60';
$is_number = preg_match('/^\d+(\.\d+)?$/D', $seconds) && $seconds >= 1 && $seconds <= 86400;
if (!$is_number || !preg_match('//u', implode(' ', array_slice($argv, 1)))) {
    give_up('usage: ask.php TEXT [MODEL [SECONDS]], in UTF-8, SECONDS from 1 to 86400');
}
$named = getenv('UNDERSTUDY_DIR');
$runtime = getenv('XDG_RUNTIME_DIR');
$directory = $named ?: ($runtime ? "$runtime/understudy" : '/tmp/understudy-' . posix_geteuid());
if (!$named && !$runtime && !is_ours($directory)) {
    give_up("$directory is no directory of this user's with mode 0700; is there an 'understudy up'?");
}
define('ENDPOINT', "ipc://$directory/agents.sock");
const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;

/**
 * Sends a message on a socket of its own and waits for the answer, up to 5 s each: the sending at most until the $left
 * seconds are over, the answer 5 s longer. Whether it was sent; verb, header and body of the answer, null if none came.
 */
function exchange(float $left, string ...$frames): array
{
    static $context = null;
    $socket = new ZMQSocket($context ??= new ZMQContext(), ZMQ::SOCKET_REQ);
    $socket->setSockOpt(ZMQ::SOCKOPT_LINGER, 0);
    $socket->setSockOpt(ZMQ::SOCKOPT_IMMEDIATE, 1); // Nothing is sent before there is a broker.
    $socket->setSockOpt(ZMQ::SOCKOPT_SNDTIMEO, (int) (1000 * min(5, max(0.5, $left))));
    $socket->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, (int) (1000 * min(5, max(0, $left + 5))));
    try {
        $socket->connect(ENDPOINT);
    } catch (ZMQSocketException $error) {
        give_up('cannot connect to ' . ENDPOINT . ': ' . $error->getMessage());
    }
    if (!$socket->sendmulti(['UBP/1', ...$frames])) {
        return [false, null];
    }
    $answer = $socket->recvMulti();
    if ($answer === false) {
        return [true, null];
    }
    $header = json_decode($answer[3] ?: '{}', true, flags: FLAGS);
    return [true, [$answer[1], $header, implode('', array_slice($answer, 4))]];
}

/** The call itself. The same id is the same request: sent twice, it runs once. */
function call(string $id, string $body, float $seconds): array
{
    $finish = hrtime(true) / 1e9 + $seconds;
    $is_sent = false;
    $backoff_ms = 500;
    // The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
    while (($left = $finish - hrtime(true) / 1e9) > ($is_sent ? -5 : 0)) {
        $deadline = json_encode(['deadline_ms' => max(1000, (int) ($left * 1000))]);
        $message = $is_sent ? ['GET', $id, '{"wait_ms":4000}'] : ['REQUEST', $id, $deadline, $body];
        [$is_sent, $answer] = exchange($left, ...$message);
        if ($answer === null || $answer[0] === 'STATE') {
            continue;
        }
        if (!in_array($answer[0], ['REJECTED', 'ERROR']) || $answer[1]['retry'] !== 'same_id') {
            return $answer;
        }
        // No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
        $pause_ms = $answer[1]['retry_after_ms'] ?? $backoff_ms;
        if (hrtime(true) / 1e9 + $pause_ms / 1000 > $finish) {
            return $answer;
        }
        usleep(1000 * $pause_ms);
        $backoff_ms = min(2 * $backoff_ms, 8000);
        $is_sent = false;
    }
    give_up("no answer within $seconds s from " . ENDPOINT . "; is there an 'understudy up'?");
}

$id = bin2hex(random_bytes(16));
$request = ['messages' => [['role' => 'user', 'content' => $argv[1] ?? 'Hello?']]];
if (isset($argv[2])) {
    $request['model'] = $argv[2];
}
[$verb, $header, $reply] = call($id, json_encode($request, FLAGS), (float) $seconds);
if ($verb === 'REPLY') {
    $message = json_decode($reply, true, flags: FLAGS)['choices'][0]['message'];
    $text = ($message['content'] ?? json_encode($message, FLAGS)) . "\n";
    if ($meta = $header['meta'] ?? null) {
        $text .= "resolved_model=$meta[resolved_model] attempts=$meta[attempts] fallbacks=$meta[fallbacks]\n";
    }
    if (@fwrite(STDOUT, $text) !== strlen($text)) {
        give_up("the answer could not be written; the broker keeps it under the id $id");
    }
}
if (in_array($verb, ['REPLY', 'FAILURE'])) {
    exchange(0, 'ACK', $id, ''); // The result is safe: the broker may forget it.
}
if ($verb !== 'REPLY') {
    $advice = "(retry: $header[retry], billed: $header[billed])";
    fwrite(STDERR, "$verb $header[code] $header[symbol]: $header[message] $advice\n");
    exit(1);
}
