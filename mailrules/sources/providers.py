"""Mail providers as rows: where their servers are, what they need of a person, and how they differ from the standard.

In: a name, a host name or an address. Out: Provider, or None where nobody is known there.
May not live here: any talking to a server; texts for people (the keys in `needs` have theirs in the catalogues).

A row gives defaults; mailrules.toml may override each. `checked` is the day on which `source` was read by us; "" says
that a row is from general knowledge and that `mailrules account test` has to confirm it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Need = Literal["app_password", "authorization_code", "mail_password", "oauth", "imap_on"]
"""What a person has to do at the provider before the first login; `init` has a text for each."""

ISPDB = "https://github.com/thunderbird/autoconfig"
READ = "2026-03-12"
"""The day of the snapshot of ISPDB that rows were compared with."""
GIGABYTE = 1_000_000_000


class Provider(NamedTuple):
    """One provider. Everything below `source` is how its servers differ; what all servers get is not listed."""

    name: str
    label: str
    host: str
    domains: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    port: int = 993
    tls: str = "implicit"
    smtp_host: str = ""
    smtp_port: int = 465
    smtp_tls: str = "implicit"
    needs: tuple[Need, ...] = ()
    oauth: Literal["", "google", "microsoft"] = ""
    link: str = ""
    local_part: bool = False
    """The user name is what stands before the @."""
    receiver: Mapping[str, str | bool] | None = None
    """Who may say that a sender is genuine, as `receiver` in an account."""
    checked: str = ""
    source: str = ""

    id_first: bool = False
    """Refuses to open a mailbox before ID was sent, whether it says that it knows ID or not."""
    set_characters: int = 4_000
    """The longest set of UIDs that it takes in one command."""
    daily_bytes: int = 0
    """So much may be downloaded in a day before the provider locks the account; 0: not known."""


def _china(name: str, label: str, domain: str, link: str, *, id_first: bool = False) -> Provider:
    return Provider(
        name=name, label=label, host=f"imap.{domain}", smtp_host=f"smtp.{domain}", domains=(domain,),
        needs=("imap_on", "authorization_code"), link=link, id_first=id_first,
        checked=READ if id_first else "", source=ISPDB if id_first else link,
    )  # fmt: skip


def _japan(name: str, label: str, host: str, smtp: str, link: str, *domains: str) -> Provider:
    return Provider(name=name, label=label, host=host, smtp_host=smtp, domains=domains, link=link, source=link)


_NETEASE = "https://help.mail.163.com/"
_QQ = "https://service.mail.qq.com/"

PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="gmail", label="Gmail, Google Workspace", host="imap.gmail.com", hosts=("imap.googlemail.com",),
        domains=("gmail.com", "googlemail.com"), smtp_host="smtp.gmail.com", needs=("app_password",), oauth="google",
        link="https://support.google.com/accounts/answer/185833", receiver={"authserv_id": "mx.google.com"},
        checked=READ, source=ISPDB, daily_bytes=2 * GIGABYTE,
    ),
    Provider(
        name="outlook", label="Outlook.com, Hotmail, Microsoft 365", host="outlook.office365.com",
        hosts=("imap-mail.outlook.com", "outlook.office.com", "imap.outlook.com"),
        domains=("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "outlook.jp", "hotmail.de", "hotmail.co.uk"),
        smtp_host="smtp.office365.com", smtp_port=587, smtp_tls="starttls", needs=("oauth", "imap_on"), oauth="microsoft",
        link="https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/pop3-and-imap4/pop3-and-imap4",
        receiver={"topmost": True}, checked=READ, source=ISPDB,
    ),
    Provider(
        name="yahoo", label="Yahoo Mail", host="imap.mail.yahoo.com", smtp_host="smtp.mail.yahoo.com",
        domains=("yahoo.com", "yahoo.de", "yahoo.co.uk", "yahoo.fr", "yahoo.it", "yahoo.es", "ymail.com", "rocketmail.com"),
        needs=("app_password",), link="https://help.yahoo.com/kb/SLN15241.html", checked=READ, source=ISPDB,
    ),
    Provider(
        name="aol", label="AOL Mail", host="imap.aol.com", smtp_host="smtp.aol.com", domains=("aol.com", "aim.com"),
        needs=("app_password",), link="https://help.aol.com/articles/Create-and-manage-app-password", checked=READ, source=ISPDB,
    ),
    Provider(
        name="icloud", label="iCloud Mail", host="imap.mail.me.com", smtp_host="smtp.mail.me.com", smtp_port=587,
        smtp_tls="starttls", domains=("icloud.com", "me.com", "mac.com"), needs=("app_password",), local_part=True,
        link="https://support.apple.com/102654", checked=READ, source=ISPDB,
    ),
    Provider(
        name="gmx", label="GMX (Germany, Austria, Switzerland)", host="imap.gmx.net", smtp_host="mail.gmx.net",
        domains=("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), needs=("imap_on",),
        link="https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html", checked=READ, source=ISPDB,
    ),
    Provider(
        name="gmx.com", label="GMX.com", host="imap.gmx.com", smtp_host="mail.gmx.com", smtp_port=587, smtp_tls="starttls",
        domains=("gmx.com", "gmx.us", "gmx.co.uk"), needs=("imap_on",),
        link="https://support.gmx.com/pop-imap/toggle.html", checked=READ, source=ISPDB,
    ),
    Provider(
        name="web.de", label="WEB.DE", host="imap.web.de", smtp_host="smtp.web.de", smtp_port=587, smtp_tls="starttls",
        domains=("web.de", "email.de"), needs=("imap_on",),
        link="https://hilfe.web.de/pop-imap/imap/imap-serverdaten.html", checked=READ, source=ISPDB,
    ),
    Provider(
        name="t-online", label="T-Online (Telekom)", host="secureimap.t-online.de", smtp_host="securesmtp.t-online.de",
        domains=("t-online.de", "magenta.de"), needs=("mail_password",),
        link="https://www.telekom.de/hilfe/apps-dienste/e-mail", checked=READ, source=ISPDB,
    ),
    Provider(
        name="posteo", label="Posteo", host="posteo.de", smtp_host="posteo.de", domains=("posteo.de", "posteo.net"),
        link="https://posteo.de/hilfe", checked=READ, source=ISPDB,
    ),
    Provider(
        name="strato", label="STRATO", host="imap.strato.de", smtp_host="smtp.strato.de",
        link="https://www.strato.de/faq/mail/", checked=READ, source=ISPDB,
    ),
    Provider(
        name="ionos", label="IONOS, 1&1", host="imap.ionos.de", hosts=("imap.1und1.de", "imap.ionos.com", "imap.ionos.co.uk"),
        smtp_host="smtp.ionos.de", domains=("online.de", "onlinehome.de"),
        link="https://www.ionos.de/hilfe/e-mail/", source="https://www.ionos.de/hilfe/e-mail/",
    ),
    Provider(
        name="mailbox.org", label="mailbox.org", host="imap.mailbox.org", smtp_host="smtp.mailbox.org",
        domains=("mailbox.org",), link="https://kb.mailbox.org/", source="https://kb.mailbox.org/",
    ),
    Provider(
        name="freenet", label="freenet Mail", host="mx.freenet.de", smtp_host="mx.freenet.de", domains=("freenet.de",),
        needs=("imap_on",), link="https://email.freenet.de/", source="https://email.freenet.de/",
    ),
    Provider(
        name="fastmail", label="Fastmail", host="imap.fastmail.com", smtp_host="smtp.fastmail.com",
        domains=("fastmail.com", "fastmail.fm", "messagingengine.com"), needs=("app_password",),
        link="https://www.fastmail.help/hc/en-us/articles/360058752854",
        source="https://www.fastmail.help/hc/en-us/articles/1500000279921",
    ),
    Provider(
        name="zoho", label="Zoho Mail", host="imap.zoho.com", hosts=("imappro.zoho.com", "imap.zoho.eu", "imappro.zoho.eu"),
        smtp_host="smtp.zoho.com", domains=("zoho.com", "zohomail.com"), needs=("imap_on", "app_password"),
        link="https://www.zoho.com/mail/help/imap-access.html", checked=READ, source=ISPDB,
    ),
    Provider(
        name="orange.fr", label="Orange (France)", host="imap.orange.fr", smtp_host="smtp.orange.fr",
        domains=("orange.fr", "wanadoo.fr"), link="https://assistance.orange.fr/", checked=READ, source=ISPDB,
    ),
    Provider(
        name="laposte", label="La Poste", host="imap.laposte.net", smtp_host="smtp.laposte.net", domains=("laposte.net",),
        local_part=True, link="https://aide.laposte.net/", checked=READ, source=ISPDB,
    ),
    Provider(
        name="libero", label="Libero Mail", host="imapmail.libero.it", smtp_host="smtp.libero.it", domains=("libero.it",),
        link="https://aiuto.libero.it/", checked=READ, source=ISPDB,
    ),
    Provider(
        name="comcast", label="Xfinity (Comcast)", host="imap.comcast.net", smtp_host="smtp.comcast.net", smtp_port=587,
        smtp_tls="starttls", domains=("comcast.net",), needs=("imap_on",), link="https://www.xfinity.com/support",
        checked=READ, source=ISPDB,
    ),
    Provider(
        name="naver", label="Naver", host="imap.naver.com", smtp_host="smtp.naver.com", domains=("naver.com",),
        needs=("imap_on", "app_password"), link="https://help.naver.com/", checked=READ, source=ISPDB,
    ),
    _china("163", "网易 163 邮箱", "163.com", _NETEASE, id_first=True),
    _china("126", "网易 126 邮箱", "126.com", _NETEASE, id_first=True),
    _china("yeah.net", "网易 yeah.net 邮箱", "yeah.net", _NETEASE, id_first=True),
    Provider(
        name="qq", label="QQ 邮箱", host="imap.qq.com", smtp_host="smtp.qq.com", domains=("qq.com", "vip.qq.com", "foxmail.com"),
        needs=("imap_on", "authorization_code"), link=_QQ, checked=READ, source=ISPDB, set_characters=500,
    ),
    Provider(
        name="exmail.qq", label="腾讯企业邮箱", host="imap.exmail.qq.com", smtp_host="smtp.exmail.qq.com",
        hosts=("hwimap.exmail.qq.com",), domains=("exmail.qq.com",), needs=("imap_on", "authorization_code"),
        link="https://open.work.weixin.qq.com/help2/pc/", source="https://open.work.weixin.qq.com/help2/pc/",
        set_characters=500,
    ),
    Provider(
        name="aliyun", label="阿里云邮箱 (个人)", host="imap.aliyun.com", smtp_host="smtp.aliyun.com", domains=("aliyun.com",),
        needs=("imap_on", "authorization_code"), link="https://help.aliyun.com/", source="https://help.aliyun.com/",
    ),
    Provider(
        name="alimail", label="阿里企业邮箱", host="imap.qiye.aliyun.com", hosts=("imap.mxhichina.com",),
        smtp_host="smtp.qiye.aliyun.com", needs=("imap_on", "authorization_code"),
        link="https://help.aliyun.com/", source="https://help.aliyun.com/",
    ),
    _china("sina", "新浪邮箱", "sina.com", "https://help.sina.com.cn/"),
    _china("139", "139 邮箱", "139.com", "https://help.mail.10086.cn/"),
    Provider(
        name="yahoo.co.jp", label="Yahoo!メール", host="imap.mail.yahoo.co.jp", smtp_host="smtp.mail.yahoo.co.jp",
        domains=("yahoo.co.jp", "ymail.ne.jp"), needs=("imap_on",), local_part=True,
        link="https://support.yahoo-net.jp/PccMail/s/article/H000014864",
        source="https://support.yahoo-net.jp/PccMail/s/article/H000014864",
    ),
    _japan("nifty", "@niftyメール", "imap.nifty.com", "smtp.nifty.com", "https://support.nifty.com/support/manual/mail/", "nifty.com"),
    _japan("ocn", "OCN", "imap.ocn.ne.jp", "smtp.ocn.ne.jp", "https://support.ntt.com/ocn/support/", "ocn.ne.jp"),
    _japan("biglobe", "BIGLOBE", "mail.biglobe.ne.jp", "mail.biglobe.ne.jp", "https://support.biglobe.ne.jp/settei/mail/", "biglobe.ne.jp"),
    _japan("so-net", "So-net", "imap.so-net.ne.jp", "mail.so-net.ne.jp", "https://support.so-net.ne.jp/", "so-net.ne.jp"),
    _japan("sakura", "さくらのメールボックス", "", "", "https://help.sakura.ad.jp/mail/", "sakura.ne.jp"),
    _japan("xserver", "エックスサーバー", "", "", "https://www.xserver.ne.jp/manual/man_mail_setting.php", "xserver.jp"),
    _japan("lolipop", "ロリポップ!", "imap.lolipop.jp", "smtp.lolipop.jp", "https://lolipop.jp/manual/user/mail/"),
)  # fmt: skip
"""`host` is "" where each customer has a server of their own."""

ALIASES = {"office365": "outlook", "microsoft365": "outlook", "hotmail": "outlook", "google": "gmail"}
PLAIN = Provider(name="", label="", host="")
"""What a server is treated as that no row knows."""


def names() -> list[str]:
    """Return every name that `provider` may have."""
    return sorted([*(p.name for p in PROVIDERS), *ALIASES])


def by_name(name: str) -> Provider | None:
    """Return the provider that `provider = "…"` names."""
    wanted = ALIASES.get(name.lower(), name.lower())
    return next((p for p in PROVIDERS if p.name == wanted), None)


def by_host(host: str) -> Provider | None:
    """Return the provider to which an IMAP server belongs; a host below one of the provider's domains is its own, too."""
    host = host.lower().rstrip(".")
    for provider in PROVIDERS:
        if host and host in (provider.host, *provider.hosts):
            return provider
    return next((p for p in PROVIDERS if not p.host and any(host.endswith(f".{d}") for d in p.domains)), None)


def near(domain: str) -> str:
    """Return the provider's domain that was probably meant where another was typed; "" where none is close."""
    from difflib import get_close_matches

    known = [d for p in PROVIDERS for d in p.domains]
    return next(iter(get_close_matches(domain.lower(), known, n=1, cutoff=0.85)), "")


def by_address(address: str) -> Provider | None:
    """Return the provider of a mail address, by its domain; a company's own domain tells nothing."""
    domain = address.rpartition("@")[2].lower()
    return next((p for p in PROVIDERS if domain in p.domains), None)
