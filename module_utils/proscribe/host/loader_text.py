"""What finds and loads the project's modules on a host: a part of loader.py, as a text.

`tests/tool python tests/derived` writes this file: do not edit.
"""

MODULES = r"""import marshal
import os
from importlib.machinery import ModuleSpec
def opened(name, flags, within = None):
 fd = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW, dir_fd=within)
 seen = os.fstat(fd)
 if seen.st_uid or seen.st_mode & 0o022:
  raise OSError
 return fd
class Modules:
 def __init__(self, code, sources):
  self.code = code
  self.sources = sources
 def compiled(self, name):
  if name not in self.code:
   code = compile(self.sources["texts"][name], name, "exec", dont_inherit=True)
   self.code[name] = code, name in self.sources["packages"]
  return self.code[name]
 def marshalled(self):
  if not self.sources:
   return None
  for name in self.sources["texts"]:
   self.compiled(name)
  return marshal.dumps({name: (marshal.dumps(code), package) for name, (code, package) in self.code.items()})
 def find_spec(self, name, path = None, target = None):
  if name in self.code or self.sources and name in self.sources["texts"]:
   return ModuleSpec(name, self, origin=name, is_package=self.compiled(name)[1])
  return None
 def create_module(self, spec):
  return None
 def exec_module(self, module):
  code = self.compiled(module.__name__)[0]
  exec(marshal.loads(code) if isinstance(code, bytes) else code, module.__dict__)
"""
