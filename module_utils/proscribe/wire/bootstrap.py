"""Text of the part of loader.py that every call carries unpacked.

`tests/tool python tests/derived` writes this file: do not edit.
"""

from ..host.loader_text import MODULES

STORED = r"""import sys
from importlib._bootstrap_external import MAGIC_NUMBER
MARK = "proscribe-answer:"
LACKING = "lacking"
CACHE_DIRECTORY = "/var/lib/proscribe/observe"
def load_cached(name):
 try:
  directory = open_root_file(CACHE_DIRECTORY, os.O_DIRECTORY)
  open_root_file("..", os.O_DIRECTORY, directory)
  with open(open_root_file(name, os.O_NONBLOCK, directory), "rb") as file:
   return marshal.loads(file.read())
 except (OSError, ValueError, EOFError, TypeError):
  return None
def parse_json(text):
 import json
 return json.loads(text)
def unpack_plan(plan):
 import zlib
 return parse_json(zlib.decompress(plan))
def execute_call(head, packed, packed_plan):
 code_name = f"{head['code']}-{MAGIC_NUMBER.hex()}"
 plan_name = f"{code_name}-{head['plan']}"
 code = None if packed else load_cached(code_name)
 cached_plan = None if packed_plan else load_cached(plan_name)
 if code is None and not packed or cached_plan is None and not packed_plan:
  return {LACKING: True}
 sources = None
 if code is None:
  import lzma
  sources = parse_json(lzma.decompress(packed))
 plan, plan_cache = cached_plan or (unpack_plan(packed_plan), {})
 modules = ModuleFinder(code or {}, sources)
 sys.meta_path.insert(0, modules)
 from proscribe.host.host_operations import compliance_state
 from proscribe.host.system import Host
 from proscribe.model.plan import add_cache
 if cached_plan is None:
  from proscribe.model.plan_text import expand_plan
  plan = expand_plan(plan)
 host = Host()
 count = len(plan_cache)
 answer = compliance_state(host, add_cache(plan, plan_cache), **head["call"])
 is_cached = not sources and cached_plan is not None
 if head["call"].get("remember") and "record" in answer and not (is_cached and len(plan_cache) == count):
  from proscribe.host.cache import keep
  parts = {code_name: modules.marshal_modules(), plan_name: marshal.dumps((plan, plan_cache))}
  is_cached = keep(host, parts)
 return {**answer, "cached": is_cached}
"""
REPLYING = r"""import gc
if __name__ == "__main__":
 gc.disable()
import _signal
def run_call(head, code, plan):
 _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
 _signal.alarm(head.get("seconds", 0))
 try:
  return execute_call(head, code, plan)
 finally:
  _signal.alarm(0)
def format_answer(answer):
 if LACKING in answer:
  import json
  return json.dumps(answer)
 from proscribe.base.json_text import format_json
 return format_json(answer)
def reply(head, code, plan):
 print("\n" + MARK + format_answer(run_call(head, code, plan)), flush=True)
 os._exit(0)
"""
BOOTSTRAP = MODULES + STORED + REPLYING
