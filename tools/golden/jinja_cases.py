#!/usr/bin/env python3
"""Renders the templates of tests/golden/jinja/cases.jsonl with Python's Jinja2, in place.

    python3 tools/golden/jinja_cases.py tests/golden/jinja

Every line of cases.jsonl has a "template"; its "text", or "error" and "error_kind", are written
anew. All see the variables of context.json. To add a case, add a line with its template and run
this. Needs jinja2 3.1.6; made with Python 3.11.7.
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 26, 12, 0)


class Generation(jinja2.ext.Extension):
    """{% generation %}, which transformers uses to mark what the model said."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    """The environment in which transformers renders chat templates."""

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(env, template, context):
    try:
        return {"text": env.from_string(template).render(**context)}
    except jinja2.exceptions.UndefinedError:
        return {"error": True, "error_kind": "undefined"}
    except Exception as e:  # every other failure counts alike
        if type(e) is jinja2.exceptions.TemplateError:
            return {"error": True, "error_kind": "raise_exception", "error_message": str(e)}
        return {"error": True}


def main():
    folder = pathlib.Path(sys.argv[1])
    context = json.loads((folder / "context.json").read_text())
    env = environment()
    lines = []
    for line in (folder / "cases.jsonl").read_text().splitlines():
        template = json.loads(line)["template"]
        case = {"template": template, **render(env, template, context)}
        lines.append(json.dumps(case, ensure_ascii=True))
    (folder / "cases.jsonl").write_text("\n".join(lines) + "\n")
    manifest = {
        "command": "python3 tools/golden/jinja_cases.py tests/golden/jinja",
        "jinja2": jinja2.__version__,
        "python": sys.version.split()[0],
        "cases": len(lines),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
