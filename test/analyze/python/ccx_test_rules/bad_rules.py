"""Rules that fail in every way, and one that does not."""

import os
import time

from insights import make_fail, rule

from ccx_test_rules.archive import version


@rule(version)
def fine(_document):
    print("a rule may print")
    return make_fail("FINE_RULE", of="the same archive")


@rule(version)
def raises(document):
    return document["no such key"]


@rule(version)
def loops(_document):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass
