"""Text of the part of loader.py that finds and loads the project's modules on a host.

`tests/tool python tests/derived` writes this file: do not edit.
"""

MODULES = r"""import marshal
import os
from importlib.machinery import ModuleSpec
def open_root_file(name, flags, directory = None):
 fd = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
 status = os.fstat(fd)
 if status.st_uid or status.st_mode & 0o022:
  raise OSError
 return fd
class ModuleFinder:
 def __init__(self, code, sources):
  self.code = code
  self.sources = sources
 def compile_module(self, name):
  if name not in self.code:
   code = compile(self.sources["texts"][name], name, "exec", dont_inherit=True)
   self.code[name] = code, name in self.sources["packages"]
  return self.code[name]
 def marshal_modules(self):
  if not self.sources:
   return None
  for name in self.sources["texts"]:
   self.compile_module(name)
  return marshal.dumps({name: (marshal.dumps(code), package) for name, (code, package) in self.code.items()})
 def find_spec(self, name, path = None, target = None):
  if name in self.code or self.sources and name in self.sources["texts"]:
   return ModuleSpec(name, self, origin=name, is_package=self.compile_module(name)[1])
  return None
 def create_module(self, spec):
  return None
 def exec_module(self, module):
  code = self.compile_module(module.__name__)[0]
  exec(marshal.loads(code) if isinstance(code, bytes) else code, module.__dict__)
"""
