#!/usr/bin/ruby
# Asks the bus one question: ask.rb TEXT [MODEL [SECONDS]]. Needs Debian's ruby-ffi-rzmq.
# Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered or can be asked.
require "ffi-rzmq"
require "json"
require "securerandom"

def abort_with(status, message)
  warn message
  exit status
end

# Anyone can make a directory in /tmp.
def ours?(directory)
  status = File.lstat(directory)
  status.directory? && status.uid == Process.euid && status.mode & 0o777 == 0o700
rescue SystemCallError
  false
end

text, model, seconds = arguments = ARGV.map { |argument| argument.dup.force_encoding("UTF-8") }
unless arguments.all?(&:valid_encoding?) && (seconds || "60").match?(/\A\d+(\.\d+)?\z/) && (1..86_400).cover?((seconds || 60).to_f)
  abort_with 2, "usage: ask.rb TEXT [MODEL [SECONDS]], in UTF-8, SECONDS from 1 to 86400"
end
named, runtime = ENV.values_at("UNDERSTUDY_DIR", "XDG_RUNTIME_DIR").map { |value| value unless value.to_s.empty? }
directory = named || (runtime ? "#{runtime}/understudy" : "/tmp/understudy-#{Process.euid}")
unless named || runtime || ours?(directory)
  abort_with 2, "#{directory} is no directory of this user's with mode 0700; is there an 'understudy up'?"
end
ENDPOINT = "ipc://#{directory}/agents.sock"
CONTEXT = ZMQ::Context.new

def ok?(result) = ZMQ::Util.resultcode_ok?(result)

# Sends a message on a socket of its own and waits for the answer, up to 5 s each: the sending at most until the `left`
# seconds are over, the answer 5 s longer. Gives whether it was sent; verb, header and body of the answer, if one came.
def exchange(left, *frames)
  socket = CONTEXT.socket(ZMQ::REQ)
  socket.setsockopt(ZMQ::LINGER, 0)
  socket.setsockopt(ZMQ::IMMEDIATE, 1) # Nothing is sent before there is a broker.
  socket.setsockopt(ZMQ::SNDTIMEO, (1000 * left.clamp(0.5, 5)).to_i)
  socket.setsockopt(ZMQ::RCVTIMEO, (1000 * (left + 5).clamp(0, 5)).to_i)
  ok?(socket.connect(ENDPOINT)) || abort_with(2, "cannot connect to #{ENDPOINT}: #{ZMQ::Util.error_string}")
  return [false] unless ok?(socket.send_strings(["UBP/1", *frames]))
  return [true] unless ok?(socket.recv_strings(answer = []))
  [true, answer[1], JSON.parse(answer[3].empty? ? "{}" : answer[3]), answer[4..].join]
ensure
  socket.close
end

def clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# The call itself. The same id is the same request: sent twice, it runs once.
def call(id, body, seconds)
  finish = clock + seconds
  is_sent = false
  backoff_ms = 500
  # The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
  while (left = finish - clock) > (is_sent ? -5 : 0)
    message = is_sent ? ["GET", id, '{"wait_ms":4000}'] :
                        ["REQUEST", id, JSON.generate(deadline_ms: [left * 1000, 1000].max.to_i), body]
    is_sent, verb, header, reply = exchange(left, *message)
    next if verb.nil? || verb == "STATE"
    return [verb, header, reply] unless header["retry"] == "same_id" && %w[REJECTED ERROR].include?(verb)
    # No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
    pause = (header["retry_after_ms"] || backoff_ms) / 1000.0
    return [verb, header, reply] if clock + pause > finish
    sleep(pause)
    backoff_ms = [2 * backoff_ms, 8000].min
    is_sent = false
  end
  abort_with 2, "no answer within #{format("%g", seconds)} s from #{ENDPOINT}; is there an 'understudy up'?"
end

id = SecureRandom.hex
request = { model: model, messages: [{ role: "user", content: text || "Hello?" }] }.compact
verb, header, reply = call(id, JSON.generate(request), (seconds || 60).to_f)
if verb == "REPLY"
  message = JSON.parse(reply)["choices"][0]["message"]
  begin
    puts message["content"] || JSON.generate(message)
    if (meta = header["meta"])
      puts "resolved_model=#{meta["resolved_model"]} attempts=#{meta["attempts"]} fallbacks=#{meta["fallbacks"]}"
    end
    $stdout.flush
  rescue SystemCallError, IOError
    abort_with 2, "the answer could not be written; the broker keeps it under the id #{id}"
  end
end
exchange(0, "ACK", id, "") if %w[REPLY FAILURE].include?(verb) # The result is safe: the broker may forget it.
unless verb == "REPLY"
  abort_with 1, "#{verb} #{header["code"]} #{header["symbol"]}: #{header["message"]} " \
                "(retry: #{header["retry"]}, billed: #{header["billed"]})"
end
