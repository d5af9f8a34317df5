"""The end of a terminal ends a bus that was started in it by a shell, and not one that `nohup` started."""

import glob
import os
import pty
import select
import signal
import subprocess
import tempfile
import unittest

from harness import PATIENCE, PROGRAM


class HangUp(unittest.TestCase):
    def start(self, prefix="", suffix=""):
        """Starts a bus in an interactive shell on a terminal of its own; gives both and a descriptor of `up`."""
        directory = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(directory.cleanup)
        shell, terminal = pty.fork()
        if shell == 0:
            os.execvp("bash", ["bash", "--norc", "-i"])
        os.write(terminal, f"{prefix}{PROGRAM} up --mock --workers 1 --directory {directory.name}{suffix}\n".encode())
        text = b""
        while b"ready: agents connect" not in text:
            self.assertTrue(select.select([terminal], [], [], PATIENCE)[0], text)
            text += os.read(terminal, 65536)
        (path,) = glob.glob(f"{directory.name}/up-*.json")
        up = os.pidfd_open(int(path.rpartition("-")[2].removesuffix(".json")))
        self.addCleanup(os.close, up)
        return shell, terminal, up

    def has_ended(self, process, patience=PATIENCE):
        return bool(select.select([process], [], [], patience)[0])

    def test_the_end_of_the_terminal_ends_the_bus(self):
        shell, terminal, up = self.start()
        os.close(terminal)
        os.waitpid(shell, 0)
        self.assertTrue(self.has_ended(up))

    def test_the_end_of_the_shell_ends_the_bus(self):
        shell, terminal, up = self.start()
        os.kill(shell, signal.SIGHUP)
        os.waitpid(shell, 0)
        self.assertTrue(self.has_ended(up))
        os.close(terminal)

    def test_without_a_terminal_its_shell_may_have_it_renewed(self):
        directory = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(directory.cleanup)
        command = f"{PROGRAM} up --mock --workers 1 --directory {directory.name} & read; kill -HUP $!; wait $!"
        shell = subprocess.Popen(
            ["bash", "-c", command],
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(shell.wait)
        self.addCleanup(shell.stdout.close)
        self.addCleanup(shell.stdin.close)
        lines = iter(shell.stdout.readline, "")
        self.assertTrue(any(line.startswith("ready: agents connect") for line in lines))
        (path,) = glob.glob(f"{directory.name}/up-*.json")
        up = int(path.rpartition("-")[2].removesuffix(".json"))
        self.addCleanup(os.kill, up, signal.SIGTERM)
        shell.stdin.write("now\n")
        shell.stdin.flush()
        self.assertTrue(any("renewing " in line for line in lines))

    def test_nohup_keeps_it(self):
        # Through a pipe, or it writes to a file in place of the terminal.
        shell, terminal, up = self.start("nohup ", " 2>&1 | cat")
        os.close(terminal)
        os.waitpid(shell, 0)
        self.assertFalse(self.has_ended(up, 1))
        signal.pidfd_send_signal(up, signal.SIGTERM)
        self.assertTrue(self.has_ended(up))


if __name__ == "__main__":
    unittest.main()
