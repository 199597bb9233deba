"""Archives of the Insights Operator, as insights-core sees them: insights-core has no context for them."""

import json
import os

from insights.core.context import ExecutionContext
from insights.core.plugins import datasource


class OperatorArchive(ExecutionContext):
    marker = "config/id"


def _documents(broker, folder, deep=False):
    root = os.path.join(broker[OperatorArchive].root, folder)
    found = []
    for base, folders, names in os.walk(root):
        if not deep:
            folders[:] = []
        for name in names:
            if name.endswith(".json"):
                path = os.path.join(base, name)
                try:
                    with open(path) as document:
                        found.append((os.path.relpath(path, broker[OperatorArchive].root), json.load(document)))
                except ValueError:
                    pass
    return sorted(found, key=lambda one: one[0].encode())


def _document(broker, path):
    from insights.core.exceptions import SkipComponent

    path = os.path.join(broker[OperatorArchive].root, path)
    if not os.path.exists(path):
        raise SkipComponent("there is no " + path)
    with open(path) as document:
        return json.load(document)


@datasource(OperatorArchive)
def version(broker):
    return _document(broker, "config/version.json")


@datasource(OperatorArchive)
def network(broker):
    return _document(broker, "config/network.json")


@datasource(OperatorArchive)
def cluster_operators(broker):
    return [document for _path, document in _documents(broker, "config/clusteroperator")]


@datasource(OperatorArchive)
def pods(broker):
    found = _documents(broker, "config/pod", deep=True)
    return [(path, document) for path, document in found if path.count("/") == 3]
