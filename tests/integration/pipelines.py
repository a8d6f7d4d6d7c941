"""The pipelines of a policy repository, run as their platforms run them."""

import re

import yaml

GITHUB, GITLAB = ".github/workflows/policy.yml", ".gitlab-ci.yml"
GITHUB_VARIABLES = {"GITHUB_BASE_REF": "main", "CI": "true"}


def filled(text, context):
    """A text with GitHub's expressions filled in; one that is not known is an error."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: context[found[1]], text)


def github(policy, job, context, code=0, but="none"):
    """What the `run` steps of a job print, each in the shell that GitHub takes."""
    said = ""
    whole = document(policy, GITHUB)["jobs"][job]
    steps = [step for step in whole["steps"] if "run" in step and step["run"] != but]
    last = [step for step in steps if "if" not in step][-1]
    for step in steps:
        variables = {**whole.get("env", {}), **step.get("env", {})}
        environment = {name: filled(str(value), context) for name, value in variables.items()}
        assert "${{" not in step["run"]  # a text of others would become a part of the script
        expected = code if step is last else 0
        said += policy.run("bash", "-e", "-c", step["run"], code=expected, **environment, **GITHUB_VARIABLES)
    return said


def gitlab(policy, job, variables, code=0):
    """What the script of a job prints, after that of all jobs, in one shell, as GitLab runs them."""
    pipeline = document(policy, GITLAB)
    given = dict(variables)
    for name, value in pipeline[job].get("variables", {}).items():
        given[name] = re.sub(r"\$(\w+)", lambda found: variables[found[1]], str(value))
    script = "\n".join([*pipeline["default"]["before_script"], *pipeline[job]["script"]])
    said = policy.run("bash", "-eo", "pipefail", "-c", script, code=code, **given)
    return said + policy.run("bash", "-eo", "pipefail", "-c", "\n".join(pipeline[job].get("after_script", [])), **given)


def document(policy, path):
    return yaml.safe_load((policy.directory / path).read_text())
