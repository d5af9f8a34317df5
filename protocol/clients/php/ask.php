#!/usr/bin/php
<?php
// Asks the bus one question: ask.php TEXT [MODEL [SECONDS]]. Needs Debian's php-cli and php-zmq.
// Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered.
declare(strict_types=1);

$runtime = getenv('XDG_RUNTIME_DIR');
$directory = getenv('UNDERSTUDY_DIR') ?: ($runtime ? "$runtime/understudy" : '/tmp/understudy-' . posix_getuid());
define('ENDPOINT', "ipc://$directory/agents.sock");
const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;

/** Sends a message on a socket of its own; verb, header and body of the answer, null after 5 s of silence. */
function exchange(string ...$frames): ?array
{
    static $context = null;
    $socket = new ZMQSocket($context ??= new ZMQContext(), ZMQ::SOCKET_REQ);
    $socket->setSockOpt(ZMQ::SOCKOPT_LINGER, 0);
    $socket->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, 5000);
    $socket->connect(ENDPOINT);
    $socket->sendmulti(['UBP/1', ...$frames]);
    $answer = $socket->recvMulti();
    if ($answer === false) {
        return null;
    }
    return [$answer[1], json_decode($answer[3] ?: '{}', true, flags: FLAGS), implode('', array_slice($answer, 4))];
}

/** The call itself. The same id is the same request: sent twice, it runs once. */
function call(string $id, string $body, float $seconds): array
{
    $finish = hrtime(true) / 1e9 + $seconds;
    $is_sent = false;
    // The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
    while (($left = $finish - hrtime(true) / 1e9) > -5) {
        $deadline = json_encode(['deadline_ms' => max(1000, (int) ($left * 1000))]);
        $answer = $is_sent ? exchange('GET', $id, '{"wait_ms":4000}') : exchange('REQUEST', $id, $deadline, $body);
        $is_sent = true;
        if ($answer === null || $answer[0] === 'STATE') {
            continue;
        }
        if (!in_array($answer[0], ['REJECTED', 'ERROR']) || $answer[1]['retry'] !== 'same_id') {
            return $answer;
        }
        // No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
        usleep(1000 * ($answer[1]['retry_after_ms'] ?? 1000));
        $is_sent = false;
    }
    fwrite(STDERR, "no answer within $seconds s from " . ENDPOINT . "; is there an 'understudy up'?\n");
    exit(2);
}

$id = bin2hex(random_bytes(16));
$request = ['messages' => [['role' => 'user', 'content' => $argv[1] ?? 'Hello?']]];
if (isset($argv[2])) {
    $request['model'] = $argv[2];
}
[$verb, $header, $reply] = call($id, json_encode($request, FLAGS), (float) ($argv[3] ?? 60));
if ($verb === 'REPLY') {
    $message = json_decode($reply, true, flags: FLAGS)['choices'][0]['message'];
    echo $message['content'] ?? json_encode($message, FLAGS), "\n";
    if ($meta = $header['meta'] ?? null) {
        echo "resolved_model=$meta[resolved_model] attempts=$meta[attempts] fallbacks=$meta[fallbacks]\n";
    }
}
if (in_array($verb, ['REPLY', 'FAILURE'])) {
    exchange('ACK', $id, ''); // The result is safe: the broker may forget it.
}
if ($verb !== 'REPLY') {
    $advice = "(retry: $header[retry], billed: $header[billed])";
    fwrite(STDERR, "$verb $header[code] $header[symbol]: $header[message] $advice\n");
    exit(1);
}
