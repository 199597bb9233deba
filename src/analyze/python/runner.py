"""Runs rules of insights-core on archives that somebody else has unpacked, one after the other.

Arguments: seconds that one rule may take, bytes of memory that the process may take (0: any), and the
packages or modules with the rules. Each line of standard input is {"id": text, "folder": path}; each line of
the answer is {"id", "report", "failures", "rules", "memory"}, where "rules" is how many had what they need
and ran, or {"id", "error"} where the whole archive cannot be read. The first line says that the rules are
loaded: {"ready": count, "version": of insights-core}, or {"refused"}. What rules print goes to standard
error. It ends when its input does.
"""

import io
import json
import os
import resource
import signal
import sys
import traceback

answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def say(answer):
    answers.write(json.dumps(answer, allow_nan=False))
    answers.write("\n")
    answers.flush()


class TookTooLong(BaseException):
    """Not an Exception, so that a rule that catches everything does not catch it."""


def too_long(_signal, _frame):
    raise TookTooLong()


def load(packages):
    from insights.core import dr

    for package in packages:
        dr.load_components(package, continue_on_error=False)
    from insights import rule

    found = [c for c in dr.COMPONENTS_BY_TYPE[rule] if not c.__module__.startswith("insights.")]
    if not found:
        raise ImportError("there are no rules in " + ", ".join(packages))
    return found


def limit(component, seconds, ran, late):
    """Lets one rule take so long, and no longer; notes that it ran, and whether it was late."""
    from insights.core import dr

    delegate = dr.get_delegate(component)
    process = delegate.process

    def limited(broker):
        response = None
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            response = process(broker)
            return response
        except TookTooLong:
            late.append(component)
            raise RuntimeError("it took longer than %s s" % seconds)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if not isinstance(response, dict) or response.get("type") != "skip":
                ran.append(component)

    delegate.process = limited


def analyze(folder, rules, graph, ran, late):
    from insights.core import dr
    from insights.core.hydration import initialize_broker
    from insights.formats._json import JsonFormat

    del ran[:], late[:]
    _context, broker = initialize_broker(folder, broker=dr.Broker())
    out = io.StringIO()
    with JsonFormat(broker, stream=out):
        dr.run(graph, broker=broker)
    failures = []
    for rule in rules:
        for error in broker.exceptions.get(rule, []):
            reason = "timed_out" if rule in late else "raised"
            detail = ("%s: %s" % (type(error).__name__, error))[:500]
            failures.append({"component": dr.get_name(rule), "reason": reason, "detail": detail})
            break
    report = json.loads(out.getvalue())
    for hit in report["reports"]:
        hit["tags"].sort()  # they are a set, in any order
    return report, failures


def memory():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def main():
    seconds, bytes_at_most, packages = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    signal.signal(signal.SIGALRM, too_long)
    ran, late = [], []
    try:
        from importlib.metadata import version
        from insights.core import dr

        rules = load(packages)
        for rule in rules:
            limit(rule, seconds, ran, late)
        graph = {}
        for rule in rules:
            graph.update(dr.get_dependency_graph(rule))
        if bytes_at_most > 0:
            resource.setrlimit(resource.RLIMIT_AS, (bytes_at_most, bytes_at_most))
    except BaseException as error:
        traceback.print_exc()
        say({"refused": "%s: %s" % (type(error).__name__, error)})
        return
    say({"ready": len(rules), "version": version("insights-core")})
    for line in sys.stdin:
        job = json.loads(line)
        try:
            report, failures = analyze(job["folder"], rules, graph, ran, late)
            answer = {"id": job["id"], "report": report, "failures": failures, "rules": len(ran)}
            say({**answer, "memory": memory()})
        except Exception as error:
            traceback.print_exc()
            text = "%s: %s" % (type(error).__name__, error)
            say({"id": job["id"], "error": text[:500], "memory": memory()})


main()
