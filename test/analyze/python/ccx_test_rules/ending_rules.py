"""A rule that takes its process with it, when the archive says so."""

import os
import signal
import sys

from insights import make_fail, rule

from ccx_test_rules.archive import version


@rule(version)
def ends(document):
    how = document.get("how")
    if how == "exit":
        os._exit(3)
    if how == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        while True:
            pass
    if how == "shout":
        os.write(3, b'{"id": "1", "report": {"reports": []}}\n' * 2)
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"nonsense\n")
            except OSError:
                pass
    if how == "memory":
        return make_fail("MUCH_MEMORY", size=len(bytearray(4 * 1024 * 1024 * 1024)))
    return make_fail("STILL_HERE", pid=os.getpid())
