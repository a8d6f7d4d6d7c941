"""The text of loader.py that goes with every call, which is not packed.

`tests/tool python tests/derived` writes this file: do not edit.
"""

from ..host.loader_text import MODULES

STORED = r"""import sys
from importlib._bootstrap_external import MAGIC_NUMBER
MARK = "proscribe-answer:"
LACKING = "lacking"
PLACE = "/var/lib/proscribe/observe"
def load(name):
 try:
  place = opened(PLACE, os.O_DIRECTORY)
  opened("..", os.O_DIRECTORY, place)
  with open(opened(name, os.O_NONBLOCK, place), "rb") as file:
   return marshal.loads(file.read())
 except (OSError, ValueError, EOFError, TypeError):
  return None
def from_json(text):
 import json
 return json.loads(text)
def unpacked(plan):
 import zlib
 return from_json(zlib.decompress(plan))
def answer_to(head, packed, packed_plan):
 named = f"{head['code']}-{MAGIC_NUMBER.hex()}"
 with_plan = f"{named}-{head['plan']}"
 code = None if packed else load(named)
 stored = None if packed_plan else load(with_plan)
 if code is None and not packed or stored is None and not packed_plan:
  return {LACKING: True}
 sources = None
 if code is None:
  import lzma
  sources = from_json(lzma.decompress(packed))
 plan, follows = stored or (unpacked(packed_plan), {})
 modules = Modules(code or {}, sources)
 sys.meta_path.insert(0, modules)
 from proscribe.host.run import compliance_state
 from proscribe.host.system import Host
 from proscribe.model.plan import known
 if stored is None:
  from proscribe.model.plan_text import whole
  plan = whole(plan)
 host = Host()
 count = len(follows)
 answer = compliance_state(host, known(plan, follows), **head["call"])
 complete = not sources and stored is not None
 if head["call"].get("remember") and "record" in answer and not (complete and len(follows) == count):
  from proscribe.host.cache import keep
  parts = {named: modules.marshalled(), with_plan: marshal.dumps((plan, follows))}
  complete = keep(host, parts)
 return {**answer, "cached": complete}
"""
REPLYING = r"""import gc
if __name__ == "__main__":
 gc.disable()
import _signal
def answered(head, code, plan):
 _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
 _signal.alarm(head.get("seconds", 0))
 try:
  return answer_to(head, code, plan)
 finally:
  _signal.alarm(0)
def text_of(answer):
 if LACKING in answer:
  import json
  return json.dumps(answer)
 from proscribe.base.json_text import written
 return written(answer)
def reply(head, code, plan):
 print("\n" + MARK + text_of(answered(head, code, plan)), flush=True)
 os._exit(0)
"""
BOOTSTRAP = MODULES + STORED + REPLYING
