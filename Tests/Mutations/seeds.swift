import Glibc
import Simulation

// Plays the seeds from 1 to its argument and stops at the first broken rule. A line for each seed that is begun, so that a
// play that traps or hangs is known; a broken rule is the last line, and exit status 2. The end of that play's trace goes to
// standard error.

func say(_ line: String, to descriptor: Int32 = 1) {
    var text = line + "\n"
    text.withUTF8 { unsafe _ = write(descriptor, $0.baseAddress, $0.count) }
}

guard CommandLine.arguments.count == 2, let last = UInt64(CommandLine.arguments[1]), last >= 1 else {
    say("usage: seeds COUNT", to: 2)
    exit(64)
}
for seed in 1...last {
    say("\(seed)")
    if let violation = Simulation(seed: seed).violation {
        for line in Simulation(seed: seed, tracing: true).trace.suffix(200) { say(line, to: 2) }
        say("\(seed)\t\(violation.invariant)\t\(violation.message)")
        exit(2)
    }
}
