"""Rules that fail in every way, one that does not, and one that lacks what it needs."""

import os
import time

from insights import make_fail, rule

from ccx_test_rules.archive import network, version


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


@rule(network)
def lacks(_document):
    return make_fail("NEVER_SEEN")
