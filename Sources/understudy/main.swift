import Glibc

exit(Understudy.run(arguments: Array(CommandLine.arguments.dropFirst())).rawValue)
