"""Asks a Prometheus what the dashboard and the rules ask, and compares both with the metrics, the runbooks and the program.

    check.py OPS PROMETHEUS     OPS is the folder of that name, PROMETHEUS the address of one that scrapes a server
"""

import json
import math
import re
import shlex
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

OPS, PROMETHEUS = Path(sys.argv[1]), sys.argv[2]

# Panels that no query of answers here, and why.
EMPTY = {
    "Requests a second, at most, and at best": "only platforms with quotas have budgets",
    "Requests that wait": "only platforms with quotas have budgets",
    "Times that a platform throttled": "only platforms with quotas have budgets",
    "Shards by engine": "only engines on PostgreSQL share a store",
    "Leases that hold": "only engines on PostgreSQL share a store",
    "Events of others still to read": "only engines on PostgreSQL share a store",
}
# What fires here: a destroy was given up, and left something.
FIRE = {"LandlordAbandoned", "LandlordOrphans"}
# The server looks every 30 s what sweeps have found.
PATIENCE = 60
# What Prometheus adds to the labels of a metric.
ADDED = {"instance", "job", "le"}

problems = []


def get(path, **parameters):
    address = f"{PROMETHEUS}{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(address) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def until(what, is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"never: {what}")
        time.sleep(0.5)


def catalogue():
    """Every metric's labels, by every name that a query may give it."""
    names = {}
    for line in (OPS.parent / "telemetry" / "METRICS.md").read_text().splitlines():
        row = re.match(r"\| `(landlord_\w+)` \| (\w+) \| (.*?) \|", line)
        if row:
            name, kind, labels = row.groups()
            endings = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
            names.update({name + ending: set(re.findall(r"`(\w+)`", labels)) for ending in endings})
    return names


def check_names(where, expression, names):
    """Every metric, and every label of one, is in the page about them."""
    known = set(ADDED)
    for metric in re.findall(r"\blandlord_\w+", expression):
        if metric not in names:
            problems.append(f"{where}: METRICS.md does not have {metric}")
        known |= names.get(metric, set())
    for metric, selector in re.findall(r"\b(landlord_\w+)\{(.*?)\}", expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            if label not in names.get(metric, {label}) | ADDED:
                problems.append(f"{where}: {metric} has no label {label}")
    if "ALERTS" not in expression:
        for labels in re.findall(r"\bby \((.*?)\)", expression):
            for label in re.split(r",\s*", labels):
                if label not in known:
                    problems.append(f"{where}: no metric in it has the label {label}")


def filled(expression):
    """A query with what a person chose: everything, and the interval of these scrapes."""
    for variable, value in {"$__rate_interval": "20s", "$instance": ".*", "$provider": ".*"}.items():
        expression = expression.replace(variable, value)
    if "$" in expression:
        problems.append(f"a variable that no panel has: {expression}")
    return expression


def queries(dashboard):
    """Every query of the dashboard, and whose it is."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            yield f"variable {variable['name']}", f"count by ({values[2]}) ({values[1]})"


def is_answered(where, expression):
    """Whether there is a series with a number in it."""
    answer = get("/api/v1/query", query=expression)
    if answer["status"] != "success":
        sys.exit(f"{where}: {answer['error']}: {expression}")
    return any(math.isfinite(float(series["value"][1])) for series in answer["data"]["result"])


def check_dashboard(names):
    dashboard = json.loads((OPS / "grafana" / "landlord-compute.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        problems.append("two panels have the same id")
    asked = list(queries(dashboard))
    for where, expression in asked:
        check_names(where, expression, names)
    # What is rare has an answer at some time.
    waiting = [(where, filled(expression)) for where, expression in asked]
    end = time.monotonic() + PATIENCE
    while True:
        waiting = [(where, expression) for where, expression in waiting if not is_answered(where, expression)]
        expected = [where for where, _ in waiting if where in EMPTY]
        if len(expected) == len(waiting):
            break
        if time.monotonic() > end:
            problems.extend(f"{where}: no series: {expression}" for where, expression in waiting if where not in EMPTY)
            break
        time.sleep(0.5)
    for where in EMPTY.keys() - set(expected):
        problems.append(f"{where}: it is answered, or is no panel; it is no exception")
    return len(asked)


def check_rules(names):
    groups = get("/api/v1/rules", type="alert")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    tests = re.split(r"\n  - name: ", (OPS / "prometheus" / "alerts.test.yml").read_text())
    for rule in rules:
        name = rule["name"]
        check_names(name, rule["query"], names)
        is_answered(name, rule["query"])
        if rule["health"] != "ok":
            problems.append(f"{name}: {rule.get('lastError', rule['health'])}")
        if rule["labels"].get("severity") not in {"critical", "warning"}:
            problems.append(f"{name}: no severity")
        page = rule["annotations"].get("runbook_url", "").rpartition("/")[2]
        if page != f"{name}.md":
            problems.append(f"{name}: its runbook is {page or 'none'}")
        if not (OPS / "runbooks" / f"{name}.md").is_file():
            problems.append(f"{name}: it has no runbook")
        test = next((test for test in tests if test.startswith(f"{name}\n")), "")
        # What is judged of all engines together has no instance.
        of = [f'alertname="{name}", {label}="bad"' in test and f'{label}="well"' in test for label in ("instance", "job")]
        if not any(of):
            problems.append(f"{name}: no test has one that fires and one that is quiet")
    alerts = {rule["name"] for rule in rules}
    for page in (OPS / "runbooks").glob("*.md"):
        if page.stem not in alerts:
            problems.append(f"{page.name}: no alert has that runbook")
    return len(rules)


def check_firing():
    def firing():
        alerts = get("/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in alerts if alert["state"] == "firing"]

    until(f"{FIRE} fire", lambda: {alert["labels"]["alertname"] for alert in firing()} >= FIRE)
    for alert in firing():
        name, texts = alert["labels"]["alertname"], alert["annotations"].values()
        if name not in FIRE:
            problems.append(f"{name} fires")
        problems.extend(f"{name}: {text}" for text in texts if "error expanding" in text or "<no value>" in text)


def check_commands():
    """Every command of the program that a page names is there, with its options."""

    def help_of(*command):
        return subprocess.run(["landlord-compute", *command, "--help"], capture_output=True, text=True).stdout

    commands = set(re.findall(r"^  ([a-z]+)", help_of().split("Options:")[0], re.M))
    helps = {}
    for page in (OPS / "runbooks").glob("*.md"):
        for line in re.findall(r"(?<!unit )\blandlord-compute ([a-z-][^`#\n|]*)", page.read_text()):
            words = shlex.split(line)
            named = next((word for word in words if word in commands), None)
            if named is None:
                problems.append(f"{page.name}: no command: landlord-compute {line}")
                continue
            known = helps.setdefault(named, help_of(named))
            for option in (word for word in words if word.startswith("--")):
                if option not in known:
                    problems.append(f"{page.name}: {named} has no {option}")
    return len(helps)


names = catalogue()
until("the server is scraped", lambda: is_answered("up", 'up{job="landlord-compute"} == 1'))
panels, rules, commands = check_dashboard(names), check_rules(names), check_commands()
check_firing()
for problem in problems:
    print(problem, file=sys.stderr)
if problems:
    sys.exit(1)
print(f"{panels} queries of the dashboard and {rules} rules are answered; {commands} commands of the runbooks are there")
