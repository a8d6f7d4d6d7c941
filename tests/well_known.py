"""Fourteen programs that a ban is about, as they show on a Windows host and on a Mac.

What installers register is from microsoft/winget-pkgs and public copies of registries, the app packages are from the
catalogue's sources. Where a program has no app in the Microsoft Store, its package is made up.
"""

from typing import NamedTuple


class WellKnown(NamedTuple):
    """A program: what its installer registers, what runs, its app package, and its bundle on a Mac."""

    service: str
    key: str
    name: str
    publisher: str
    folder: str
    image: str
    package: str  # by its full name
    bundle: str
    cask: str = ""


_LOCAL = "C:\\Users\\alice\\AppData\\Local"
_FILES = "C:\\Program Files"
WELL_KNOWN = (
    WellKnown(
        *("whatsapp", "WhatsApp", "WhatsApp", "WhatsApp", f"{_LOCAL}\\WhatsApp", "WhatsApp.exe"),
        *("5319275A.WhatsAppDesktop_2.2526.1.0_x64__cv1g1gvanyjgm", "net.whatsapp.WhatsApp", "whatsapp"),
    ),
    WellKnown(
        *("wechat", "Weixin", "WeChat", "Tencent", f"{_FILES}\\Tencent\\Weixin", "Weixin.exe"),
        *("TencentWeChatLimited.forWindows10_3.9.0.0_x86__sdtnhv12zgd7a", "com.tencent.xinWeChat", "wechat"),
    ),
    WellKnown(
        *("line", "LINE", "LINE", "LY Corporation", f"{_LOCAL}\\LINE\\bin", "LINE.exe"),
        *("NAVER.LINEwin8_7.17.0.0_x64__8ptj331gd3tyt", "jp.naver.line.mac"),
    ),
    WellKnown(
        *("telegram", "{53F49750-6209-4FBF-9CA8-7A333C87D1ED}_is1", "Telegram Desktop", "Telegram FZ-LLC"),
        *("C:\\Users\\alice\\AppData\\Roaming\\Telegram Desktop", "Telegram.exe"),
        *("TelegramMessengerLLP.TelegramDesktop_5.1.0.0_x64__t4vj0pshhgkwm", "ru.keepcoder.Telegram", "telegram"),
    ),
    WellKnown(
        *("signal", "7d96caee-06e6-597c-9f2f-c7bb2e0948b4", "Signal 7.1.1", "Signal Messenger, LLC"),
        *(f"{_LOCAL}\\Programs\\signal-desktop", "Signal.exe"),
        *("Example.Signal_7.1.1.0_x64__8wekyb3d8bbwe", "org.whispersystems.signal-desktop", "signal"),
    ),
    WellKnown(
        *("viber", "{7A0D2D1B-8A50-4B41-8D62-2E4F1A9C6E11}", "Viber", "Viber Media S.a.r.l", f"{_LOCAL}\\Viber"),
        *("Viber.exe", "2414FC7A.Viber_20.0.0.0_x64__p61zvh252yqyr", "com.viber.osx", "viber"),
    ),
    WellKnown(
        *("kakaotalk", "KakaoTalk", "KakaoTalk", "Kakao Corp.", f"{_FILES} (x86)\\Kakao\\KakaoTalk", "KakaoTalk.exe"),
        *("Example.KakaoTalk_4.0.0.0_x64__8wekyb3d8bbwe", "com.kakao.KakaoTalkMac"),
    ),
    WellKnown(
        *("qq", "QQ", "QQ", "Tencent", f"{_FILES}\\Tencent\\QQNT", "QQ.exe"),
        *("903DB504.QQ_9.0.0.0_x86__a99ra4d2cbcxa", "com.tencent.qq", "qq"),
    ),
    WellKnown(
        *("zalo", "f0c47de4-c117-54e4-97d9-eb3fd2985e6c", "Zalo 24.1.1", "VNG Corp.", f"{_LOCAL}\\Programs\\Zalo"),
        *("Zalo.exe", "Example.Zalo_24.1.1.0_x64__8wekyb3d8bbwe", "com.vng.zalo"),
    ),
    WellKnown(
        *("discord", "Discord", "Discord", "Discord Inc.", f"{_LOCAL}\\Discord", "Discord.exe"),
        *("Example.Discord_1.0.0.0_x64__8wekyb3d8bbwe", "com.hnc.Discord", "discord"),
    ),
    WellKnown(
        *("skype", "Skype_is1", "Skype version 8.118", "Skype Technologies S.A."),
        *(f"{_FILES} (x86)\\Microsoft\\Skype for Desktop", "Skype.exe"),
        *("Microsoft.SkypeApp_15.118.0.0_x86__kzf8qxf38zg5c", "com.skype.skype"),
    ),
    WellKnown(
        *("facebook_messenger", "{0B1B7C36-2B1C-5C5E-8D0B-3A0E4B0A7C55}", "Messenger", "Facebook, Inc."),
        *(f"{_LOCAL}\\Programs\\Messenger", "Messenger.exe"),
        *("FACEBOOK.317180B0BB486_2110.0.0.0_x64__8xx8rvfyw5nnt", "com.facebook.archon", "messenger"),
    ),
    WellKnown(
        *("dropbox", "Dropbox", "Dropbox", "Dropbox, Inc.", f"{_FILES} (x86)\\Dropbox\\Client", "Dropbox.exe"),
        *("C27EB4BA.DropboxOEM_23.4.19.0_x64__xbfy0k16fey96", "com.getdropbox.dropbox", "dropbox"),
    ),
    WellKnown(
        *("mega", "MEGAsync", "MEGAsync", "Mega Limited", f"{_LOCAL}\\MEGAsync", "MEGAsync.exe"),
        *("Example.MEGAsync_5.0.0.0_x64__8wekyb3d8bbwe", "mega.mac", "megasync"),
    ),
)
