#!/usr/bin/ruby
# Asks the bus one question: ask.rb TEXT [MODEL [SECONDS]]. Needs Debian's ruby-ffi-rzmq.
# Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered.
require "ffi-rzmq"
require "json"
require "securerandom"

text, model, seconds = ARGV.map { |argument| argument.dup.force_encoding("UTF-8") }
directory = ENV["UNDERSTUDY_DIR"] ||
            (ENV["XDG_RUNTIME_DIR"] ? "#{ENV["XDG_RUNTIME_DIR"]}/understudy" : "/tmp/understudy-#{Process.uid}")
ENDPOINT = "ipc://#{directory}/agents.sock"
CONTEXT = ZMQ::Context.new

# Sends a message on a socket of its own; gives verb, header and body of the answer, nothing after 5 s of silence.
def exchange(*frames)
  socket = CONTEXT.socket(ZMQ::REQ)
  socket.setsockopt(ZMQ::LINGER, 0)
  socket.setsockopt(ZMQ::RCVTIMEO, 5000)
  socket.connect(ENDPOINT)
  socket.send_strings(["UBP/1", *frames])
  return unless ZMQ::Util.resultcode_ok?(socket.recv_strings(answer = []))
  [answer[1], JSON.parse(answer[3].empty? ? "{}" : answer[3]), answer[4..].join]
ensure
  socket.close
end

def clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# The call itself. The same id is the same request: sent twice, it runs once.
def call(id, body, seconds)
  finish = clock + seconds
  is_sent = false
  # The broker ends a request at its deadline and says so; 5 s are for that answer to arrive.
  while (left = finish - clock) > -5
    message = is_sent ? ["GET", id, '{"wait_ms":4000}'] :
                        ["REQUEST", id, JSON.generate(deadline_ms: [left * 1000, 1000].max.to_i), body]
    verb, header, reply = exchange(*message)
    is_sent = true
    next if verb.nil? || verb == "STATE"
    return [verb, header, reply] unless header["retry"] == "same_id" && %w[REJECTED ERROR].include?(verb)
    # No room now, or the broker does not know the id: it was started again, or never saw the REQUEST.
    sleep((header["retry_after_ms"] || 1000) / 1000.0)
    is_sent = false
  end
  abort_with 2, "no answer within #{format("%g", seconds)} s from #{ENDPOINT}; is there an 'understudy up'?"
end

def abort_with(status, message)
  warn message
  exit status
end

id = SecureRandom.hex
request = { model: model, messages: [{ role: "user", content: text || "Hello?" }] }.compact
verb, header, reply = call(id, JSON.generate(request), (seconds || 60).to_f)
if verb == "REPLY"
  message = JSON.parse(reply)["choices"][0]["message"]
  puts message["content"] || JSON.generate(message)
  if (meta = header["meta"])
    puts "resolved_model=#{meta["resolved_model"]} attempts=#{meta["attempts"]} fallbacks=#{meta["fallbacks"]}"
  end
  $stdout.flush
end
exchange("ACK", id, "") if %w[REPLY FAILURE].include?(verb) # The result is safe: the broker may forget it.
unless verb == "REPLY"
  abort_with 1, "#{verb} #{header["code"]} #{header["symbol"]}: #{header["message"]} " \
                "(retry: #{header["retry"]}, billed: #{header["billed"]})"
end
