"""Signers of a service's programs on Windows and file names of its installers: grammar and guards.

A publisher is written as AppLocker writes it, in upper case: organisation, place, state and country of the certificate.
A product and a file follow if the publisher also signs other products (`O=PARROT LTD, L=PERTH, C=AU\\PARROT`).
Microsoft: learn.microsoft.com/windows/security, "Understanding the publisher rule condition in AppLocker".

An app package has the publisher of its manifest. From this publisher, Windows derives the end of the package's family
name. So a wrong publisher can be detected: [MS-APPX] 2.1 and
learn.microsoft.com/windows/apps/desktop/modernize/package-identity-overview.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from ....base.lazy_patterns import compile_pattern
from .grammar import check_windows_program
from .yaml_file import KeyPath

# the alphabet of the id that Windows derives from a publisher: 5 bits each
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_SUBJECT = r"O=[^\\*=\x00-\x1f\x7f]{2,100}(?:, L=[^\\*=,]{1,60})?(?:, S=[^\\*=,]{1,60})?(?:, C=[A-Z]{2})?"
_PUBLISHER_PATTERN = compile_pattern(rf"({_SUBJECT})((?:\\[^\\\x00-\x1f\x7f]{{1,100}}){{0,2}})")
# Organisations that also sign programs which are common in offices. So a publisher alone is refused: the product is
# required.
_MULTI_PRODUCT_PUBLISHERS = compile_pattern(
    r"O=(?:MICROSOFT|GOOGLE|APPLE|MOZILLA|ADOBE|AMAZON|ORACLE|CISCO|ZOOM|META|FACEBOOK|TENCENT|ALIBABA|TAOBAO|BAIDU"
    r"|BEIJING|SHENZHEN|HANGZHOU|BYTEDANCE|FEISHU|LARK|NAVER|KAKAO|YANDEX|PROTON|CITRIX|VALVE|OPENJS|PYTHON"
    r"|OPEN SOURCE|SIGNPATH|ANTHROPIC|OPENAI|CLOUDFLARE|GITHUB|UNITY)\b.*"
)
_APPX_PATTERN = compile_pattern(r"(?:CN|O|OU|E)=[^\\*\x00-\x1f\x7f]{2,400}")
_INSTALLER_PATTERN = compile_pattern(r"([A-Za-z0-9][A-Za-z0-9 ._+()-]{3,60})\*?[A-Za-z0-9 ._+()-]{0,60}\.(?:exe|msi)")


def check_publisher(text: str) -> str:
    """The publisher that signs a service's Windows programs, as AppLocker has it: `O=PARROT LTD, L=PERTH, C=AU`."""
    match = _PUBLISHER_PATTERN.fullmatch(text)
    if not match or text != text.upper():
        return "a publisher as AppLocker has it, in upper case: O=PARROT LTD, L=PERTH, C=AU or with \\PRODUCT\\FILE.EXE"
    if _MULTI_PRODUCT_PUBLISHERS.fullmatch(match[1]) and match[2].split("\\")[1:2] in ([], ["*"]):
        return "a product behind the publisher: it signs programs that are not of this service"
    return ""


def check_appx_publisher(text: str) -> str:
    """The publisher of a Windows app package: the exact text of `Publisher` in its manifest."""
    return "" if _APPX_PATTERN.fullmatch(text) else "the Publisher of an app package's manifest, such as CN=<GUID>"


def check_installer(text: str) -> str:
    """The file name of a Windows installer, with at most a single `*` for the part that changes between releases."""
    match = _INSTALLER_PATTERN.fullmatch(text)
    if not match:
        return "the file name of an installer, .exe or .msi, with at most one * behind its fourth letter"
    # The part before the * must not be a common program name, such as Setup: other installers begin like it.
    name = re.sub(r"[ ._+()-]*$|\.exe$|\.msi$", "", match[1]) + ".exe"
    return check_windows_program(name) and "a name of this installer alone: others begin like it, too"


def derive_publisher_id(subject: str) -> str:
    """Return the 13 characters that Windows puts at the end of the family name of a publisher's app packages."""
    # 64 bits of the hash and a zero bit: 13 digits of 5 bits each
    bits = int.from_bytes(hashlib.sha256(subject.encode("utf-16-le")).digest()[:8], "big") << 1
    return "".join(_DIGITS[bits >> shift & 31] for shift in range(60, -1, -5))


def find_unmatched_publishers(entry: Mapping[str, object]) -> Iterator[tuple[KeyPath, object, str]]:
    """Yield a mistake for each publisher of app packages to which no listed app package belongs.

    Either the publisher or the package in the catalogue is wrong then.
    """
    packages, publishers = entry.get("packages"), entry.get("publishers")
    names = packages.get("appx", ()) if isinstance(packages, dict) else ()
    ids = {name.rpartition("_")[2] for name in names if isinstance(name, str) and "_" in name}
    for index, subject in enumerate(publishers.get("appx", ()) if isinstance(publishers, dict) else ()):
        is_well_formed = isinstance(subject, str) and not check_appx_publisher(subject)
        if is_well_formed and (id_ := derive_publisher_id(subject)) not in ids:
            expected = f"the publisher of an app package in packages.appx: its family ends with _{id_}"
            yield ("publishers", "appx", index), subject, expected
