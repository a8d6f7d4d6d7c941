"""Fourteen programs of a ban, as they show on Windows (winget-pkgs, public copies of registries) and on a Mac."""

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


# LOCAL, ROAMING and FILES stand for folders.
_TABLE = r"""
whatsapp | WhatsApp | WhatsApp | WhatsApp | LOCAL\WhatsApp
    | WhatsApp.exe | 5319275A.WhatsAppDesktop_2.2526.1.0_x64__cv1g1gvanyjgm | net.whatsapp.WhatsApp | whatsapp
wechat | Weixin | WeChat | Tencent | FILES\Tencent\Weixin
    | Weixin.exe | TencentWeChatLimited.forWindows10_3.9.0.0_x86__sdtnhv12zgd7a | com.tencent.xinWeChat | wechat
line | LINE | LINE | LY Corporation | LOCAL\LINE\bin
    | LINE.exe | NAVER.LINEwin8_7.17.0.0_x64__8ptj331gd3tyt | jp.naver.line.mac
telegram | {53F49750-6209-4FBF-9CA8-7A333C87D1ED}_is1 | Telegram Desktop | Telegram FZ-LLC | ROAMING\Telegram Desktop
    | Telegram.exe | TelegramMessengerLLP.TelegramDesktop_5.1.0.0_x64__t4vj0pshhgkwm | ru.keepcoder.Telegram | telegram
signal | 7d96caee-06e6-597c-9f2f-c7bb2e0948b4 | Signal 7.1.1 | Signal Messenger, LLC | LOCAL\Programs\signal-desktop
    | Signal.exe | Example.Signal_7.1.1.0_x64__8wekyb3d8bbwe | org.whispersystems.signal-desktop | signal
viber | {7A0D2D1B-8A50-4B41-8D62-2E4F1A9C6E11} | Viber | Viber Media S.a.r.l | LOCAL\Viber
    | Viber.exe | 2414FC7A.Viber_20.0.0.0_x64__p61zvh252yqyr | com.viber.osx | viber
kakaotalk | KakaoTalk | KakaoTalk | Kakao Corp. | FILES (x86)\Kakao\KakaoTalk
    | KakaoTalk.exe | Example.KakaoTalk_4.0.0.0_x64__8wekyb3d8bbwe | com.kakao.KakaoTalkMac
qq | QQ | QQ | Tencent | FILES\Tencent\QQNT
    | QQ.exe | 903DB504.QQ_9.0.0.0_x86__a99ra4d2cbcxa | com.tencent.qq | qq
zalo | f0c47de4-c117-54e4-97d9-eb3fd2985e6c | Zalo 24.1.1 | VNG Corp. | LOCAL\Programs\Zalo
    | Zalo.exe | Example.Zalo_24.1.1.0_x64__8wekyb3d8bbwe | com.vng.zalo
discord | Discord | Discord | Discord Inc. | LOCAL\Discord
    | Discord.exe | Example.Discord_1.0.0.0_x64__8wekyb3d8bbwe | com.hnc.Discord | discord
skype | Skype_is1 | Skype version 8.118 | Skype Technologies S.A. | FILES (x86)\Microsoft\Skype for Desktop
    | Skype.exe | Microsoft.SkypeApp_15.118.0.0_x86__kzf8qxf38zg5c | com.skype.skype
facebook_messenger | {0B1B7C36-2B1C-5C5E-8D0B-3A0E4B0A7C55} | Messenger | Facebook, Inc. | LOCAL\Programs\Messenger
    | Messenger.exe | FACEBOOK.317180B0BB486_2110.0.0.0_x64__8xx8rvfyw5nnt | com.facebook.archon | messenger
dropbox | Dropbox | Dropbox | Dropbox, Inc. | FILES (x86)\Dropbox\Client
    | Dropbox.exe | C27EB4BA.DropboxOEM_23.4.19.0_x64__xbfy0k16fey96 | com.getdropbox.dropbox | dropbox
mega | MEGAsync | MEGAsync | Mega Limited | LOCAL\MEGAsync
    | MEGAsync.exe | Example.MEGAsync_5.0.0.0_x64__8wekyb3d8bbwe | mega.mac | megasync
"""
_PLACES = {name.upper(): rf"C:\Users\alice\AppData\{name}" for name in ("Local", "Roaming")}
_PLACES["FILES"] = r"C:\Program Files"
_TEXT = _TABLE.strip().replace("\n    | ", " | ")
for _name, _place in _PLACES.items():
    _TEXT = _TEXT.replace(_name, _place)
WELL_KNOWN = tuple(WellKnown(*row.split(" | ")) for row in _TEXT.splitlines())
# Programs of others have these names, too.
SHARED_IMAGES = ("LINE.exe", "Messenger.exe", "Signal.exe")
