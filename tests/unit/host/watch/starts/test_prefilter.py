"""The filter of starts: all paths that may be restricted are verified, and few others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.apps.portable import appimage
from proscribe.host.watch.starts.prefilter import Prefilter, link, plain

LONG = "x" * 64  # as long as a stem may be
PARTS = {"parts": ["Viber", "viber", "signal-desktop", "bwrap"], "exact": ["/usr/bin/tor"], "sandboxes": True}
MADE = Prefilter({**PARTS, "stems": ["telegram", "signaldesktop", LONG], "store": ["signal-desktop"]})
STORE = f"/store/{'a' * 32}-"
RESTRICTED = (
    "/opt/viber/lib/helper /home/alice/viber/Viber /usr/bin/signal-desktop /usr/bin/tor /snap/signal-desktop/612/opt/x "
    "/usr/bin/bwrap /app/bin/anything /home/alice/Downloads/Telegram-4.8-x86_64.AppImage /usr/local/bin/telegram-bin "
    "/tmp/TELEGRAM"
)
OTHERS = (
    "/ /usr/bin/true /home/alice/bin/tele /home/alice/signal/x /opt/app/bin/anything /apple/x /nix/store/ "
    "/bin/telegram /sbin/telegram /lib64/telegram /usr/lib/電報"  # no portable app lies there
)


@pytest.mark.parametrize(
    "path",
    [
        *(*RESTRICTED.split(), f"/tmp/{LONG}-and-more"),
        "/home/alice/電報",  # what a letter of another script may stand for is not decided here
        *(f"/nix{STORE}signal-desktop-7.1/bin/.x-wrapped", f"/gnu{STORE}signal-desktop-7.1/bin/x"),
    ],
)
def test_path_that_may_be_restricted_is_verified(path):
    assert MADE.may_be(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        *OTHERS.split(),
        f"/nix{STORE}coreutils-9/bin/true",
        f"/gnu{STORE}coreutils-9/bin/telegram",
        f"/tmp/{LONG[:-1]}",
    ],
)
def test_other_paths_are_not_verified(path):
    assert not MADE.may_be(path)


@pytest.mark.parametrize("path", ["/opt/viber/Viber", "/app/bin/x", "/home/alice/電報"])
def test_empty_prefilter_verifies_no_path(path):
    assert not Prefilter({}).may_be(path)


def test_store_without_restricted_apps_is_a_place_as_any_other():
    assert Prefilter({"stems": ["telegram"]}).may_be("/nix/store/x/telegram")


def test_mark_of_a_deleted_file_is_removed():
    assert plain("/opt/viber/Viber (deleted)") == "/opt/viber/Viber"
    assert plain("/opt/viber/Viber") == "/opt/viber/Viber"


def test_link_is_read_or_empty(tmp_path):
    (tmp_path / "exe").symlink_to("/opt/viber/Viber (deleted)")
    assert [link(str(tmp_path / name)) for name in ("exe", "gone")] == ["/opt/viber/Viber (deleted)", ""]


@given(st.text(alphabet="telgramTELGRAM-_. 0123456789x86linuxAppImage/(電", max_size=60))
def test_portable_app_of_a_restricted_name_is_never_missed(name):
    """The stem that the file scan finds an AppImage by is how its name begins."""
    assert MADE.may_be(f"/home/alice/{name}") or appimage.stem(name) != "telegram"
