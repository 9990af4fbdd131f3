"""What the systems write, as values: subject, paragraphs, labelled values or table rows, and what has to be read of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta


@dataclass(frozen=True, kw_only=True)
class Want:
    """One notice that a document has to give. `days` is what its subject says; where a notice has it, it must be that."""

    status: str
    kind: str | None
    system: str | None
    fields: Mapping[str, str] = field(default_factory=dict)
    wording: str | None = None
    days: str = ""


@dataclass(frozen=True, kw_only=True)
class Text:
    """One document as its author wrote it. `rows`, where there are any, are a table: its head, then one row each."""

    language: str
    sender: str
    subject: str
    before: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()
    link: str = ""
    wants: tuple[Want, ...] = ()
    arrived: date = date(2024, 3, 11)


@dataclass(frozen=True)
class Vendor:
    name: str
    number: str
    host: str


AMAZON = "Amazon Seller Central <seller-notification@amazon.com>"
VENDORS = (
    Vendor("Never Settle", "446453545547", "sellercentral.amazon.com"),
    Vendor("Billbee", "090411894172", "sellercentral-europe.amazon.com"),
    Vendor("Domo", "473744043762", "sellercentral.amazon.ca"),
    Vendor("Cloud Commerce Pro", "878241238191", "sellercentral.amazon.co.uk"),
    Vendor("Web Ninja", "160682789247", "sellercentral.amazon.com.au"),
    Vendor("Ship & Track", "035081194811", "sellercentral.amazon.com.tr"),
)
JAPANESE = (
    Vendor("株式会社ロボマインド", "123432144321", "sellercentral.amazon.co.jp"),
    Vendor("shippinno", "525964794073", "sellercentral-japan.amazon.com"),
    Vendor("のすけ tools", "035081194811", "sellercentral.amazon.co.jp"),
    Vendor("プライスター", "138749170960", "sellercentral.amazon.co.jp"),
)
REMINDERS = (30, 23, 16, 9, 2)


def hyphenated(number: str, sign: str = "-") -> str:
    return sign.join((number[:4], number[4:8], number[8:]))


def expiring(vendor: Vendor, expires: str, wording: str, days: int, *, named: bool = True) -> Want:
    fields = {"developer": vendor.name, "expires": expires}
    if named:
        fields["developer_id"] = vendor.number
    return Want(status="read", kind="authorization_expiring", system="amazon", wording=wording, fields=fields, days=str(days))  # fmt: skip


def _when(chance: random.Random) -> tuple[date, int]:
    expires = date(2024, 1, 1) + timedelta(days=chance.randrange(1200))
    return expires, chance.choice(REMINDERS)


def english(chance: random.Random, subject: str = "in {days} days", days: int | None = None) -> Text:
    vendor = chance.choice(VENDORS)
    expires, left = _when(chance)
    left = left if days is None else days
    day = expires.isoformat()
    return Text(
        language="en", sender=AMAZON, link=f"https://{vendor.host}/apps/manage/ref=xx_masman_dnav_xx",
        subject="ACTION REQUIRED - Your software application authorization will expire " + subject.format(days=left),
        before=(
            "Dear Example Store",
            f"Action is required by you to renew your authorization to enable software applications from {vendor.name} to access your Amazon selling account on your behalf using Amazon Marketplace Web Service. This might impact your Amazon integration, including your Amazon Pay integration if you have one.",
            "For your security, we periodically contact you to confirm that only software application providers with whom you are actively working are allowed to access your Amazon selling account data on your behalf.",
            f"The provider listed below has access to your account. That access will expire on {day}.",
            "Please either renew or revoke this access to your account on the Manage Your Apps page in Seller Central.",
            "If you do not renew the developer’s access before the expiration date then that access will be suspended and their software will no longer access your data. You can re-authorize suspended access from Manage Your Apps page.",
        ),
        block=(("Developer ID", vendor.number), ("Developer nickname", vendor.name), ("Access expiration date", day)),
        after=("Thanks,", "Amazon Marketplace Web Service"),
        wants=(expiring(vendor, day, "en", left),), arrived=expires - timedelta(days=left),
    )  # fmt: skip


def english_tomorrow(chance: random.Random) -> Text:
    return english(chance, "in 1 day", 1)


def english_today(chance: random.Random) -> Text:
    return english(chance, "today", 0)


def japanese(chance: random.Random, *, block: bool = True) -> Text:
    vendor = chance.choice(JAPANESE)
    expires, left = _when(chance)
    day = expires.isoformat()
    return Text(
        language="ja", sender="Amazon セラーセントラル <seller-notification@amazon.co.jp>",
        link=f"https://{vendor.host}/apps/manage",
        subject=f"アクションが必要 - お使いのソフトウェアアプリケーション認証は、あと {left}日で有効期限切れになります。",
        before=(
            "サンプル商店 様",
            f"平素はAmazonにご出品いただきありがとうございます。{vendor.name}様が出品者様に代わってAmazon出品用アカウントにアクセスして、AmazonマーケットプレイスWebサービスをご利用いただくには、ソフトウェアアプリケーションを有効にする承認を更新するためのお手続きが必要です。承認の更新により、Amazon Payの統合など、ご利用中のAmazon統合サービスに影響が生じる可能性があります。",
            "セキュリティ上の理由により、出品者様が現在ご契約中のソフトウェアアプリケーションプロバイダーのみが、出品者様に代わってAmazon出品用アカウントのデータにアクセスできることをご確認いただくために、定期的にメールでお知らせしております。",
            f"現在、出品者様のアカウントにアクセスできるプロバイダーは、以下のとおりです。こちらのアクセス権の有効期限は、{day}です。",
            "セラーセントラルのアプリ管理ページで、出品者様のアカウントへのこのアクセス権を更新するか、無効にしてください。",
            "有効期限までに開発者のアクセス権が更新されない場合、アクセス権は一時停止となり、このソフトウェアから出品者様のデータにアクセスすることができなくなります。",
        ),
        block=(("開発者ID", vendor.number), ("開発者のニックネーム", f"{vendor.name} 様"), ("アクセス権の有効期限", day)) if block else (),
        wants=(expiring(vendor, day, "ja", left, named=block),), arrived=expires - timedelta(days=left),
    )  # fmt: skip


def japanese_without_block(chance: random.Random) -> Text:
    return japanese(chance, block=False)


GUESSED: Mapping[str, tuple[str, str, str, str]] = {
    "de": ("MASSNAHME ERFORDERLICH - Ihre Softwareanwendungs-Autorisierung läuft in {days} Tagen ab", "Entwickler-ID", "Entwickler-Nickname", "Ablaufdatum des Zugriffs"),
    "fr": ("ACTION REQUISE - Votre autorisation d'application logicielle expirera dans {days} jours", "ID de développeur", "Pseudonyme du développeur", "Date d'expiration de l'accès"),
    "it": ("AZIONE RICHIESTA - L'autorizzazione della tua applicazione software scadrà tra {days} giorni", "ID sviluppatore", "Nickname dello sviluppatore", "Data di scadenza dell'accesso"),
    "es": ("ACCIÓN NECESARIA - La autorización de tu aplicación de software caducará en {days} días", "ID de desarrollador", "Alias del desarrollador", "Fecha de caducidad del acceso"),
    "zh": ("需要采取措施 - 您的软件应用程序授权将在 {days} 天后过期", "开发者编号", "开发者昵称", "访问权限到期日期"),
    "nl": ("ACTIE VEREIST - De autorisatie van uw softwaretoepassing verloopt over {days} dagen", "Ontwikkelaars-ID", "Bijnaam van ontwikkelaar", "Vervaldatum toegang"),
    "pl": ("WYMAGANE DZIAŁANIE - Autoryzacja aplikacji wygaśnie za {days} dni", "Identyfikator dewelopera", "Pseudonim dewelopera", "Data wygaśnięcia dostępu"),
    "sv": ("ÅTGÄRD KRÄVS - Auktoriseringen för ditt program upphör om {days} dagar", "Utvecklar-ID", "Utvecklarens smeknamn", "Åtkomsten upphör"),
    "tr": ("İŞLEM GEREKLİ - Yazılım uygulaması yetkinizin süresi {days} gün içinde dolacak", "Geliştirici Kimliği", "Geliştirici takma adı", "Erişim sona erme tarihi"),
    "pt": ("AÇÃO NECESSÁRIA - A autorização do seu aplicativo de software expirará em {days} dias", "ID do desenvolvedor", "Apelido do desenvolvedor", "Data de expiração do acesso"),
    "ar": ("إجراء مطلوب - ستنتهي صلاحية تفويض تطبيق البرنامج خلال {days} يومًا", "معرّف المطوّر", "اسم المطوّر", "تاريخ انتهاء الوصول"),
}  # fmt: skip


def guessed(language: str) -> Callable[[random.Random], Text]:
    """Return a maker of the expiry mail in a language that nobody has seen it in: subject and labels only."""

    def make(chance: random.Random) -> Text:
        vendor = chance.choice(VENDORS)
        expires, left = _when(chance)
        day = expires.isoformat()
        subject, number, name, until = GUESSED[language]
        return Text(
            language=language, sender=AMAZON, subject=subject.format(days=left), before=("Amazon Seller Central",),
            link=f"https://{vendor.host}/apps/manage",
            block=((number, vendor.number), (name, vendor.name), (until, day)),
            wants=(expiring(vendor, day, language, left),), arrived=expires - timedelta(days=left),
        )  # fmt: skip

    return make


def _kanji(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def japanese_page(chance: random.Random) -> Text:
    """Return the developer-permissions page of 2018: one row an authorization; the button tells active from expired."""
    rows, wants = [], []
    numbered = chance.random() < 0.7
    for vendor in chance.sample(JAPANESE, chance.randint(1, 4)):
        granted = date(2018, 4, 17) + timedelta(days=chance.randrange(2000))
        expires = granted + timedelta(days=365)
        state = chance.choice(("active", "expired", "endless"))
        fields = {"developer": vendor.name, "granted": granted.isoformat(), "status": "active"}
        fields["granted_time"] = "10時26分33秒 JST"
        if numbered:
            fields["developer_id"] = vendor.number
        confirmed, until, button = "-", "-", "表示"
        if state != "endless":
            confirmed, until = _kanji(granted), f"開発者のアクセス権の有効期限日は {_kanji(expires)}"
            button = "表示 アクセス権を承認" if state == "active" else "表示 アクセス権を復元"
            fields |= {"last_confirmed": granted.isoformat(), "expires": expires.isoformat(), "status": state}
        row = (f"{vendor.name} 編集", f"{_kanji(granted)} 10時26分33秒 JST", confirmed, until, button)
        rows.append(((hyphenated(vendor.number), *row)) if numbered else row)
        wants.append(Want(status="read", kind="authorization_status", system="amazon", wording="ja", fields=fields))
    head = ("開発者のニックネーム", "権限の付与日", "前回承認日", "アクセス権の有効期限日", "MWS アクション")
    return Text(
        language="ja", sender="店長 <owner@shop.example>", subject="開発者権限",
        before=("ユーザー権限", "Amazon MWS 開発者権限", "現在の権限"),
        rows=(("開発者 ID", *head) if numbered else head, *rows), wants=tuple(wants),
    )  # fmt: skip


def english_page(chance: random.Random) -> Text:
    """Return the table of current authorizations, its labels as help pages quote them."""
    rows, wants = [], []
    for vendor in chance.sample(VENDORS, chance.randint(1, 4)):
        granted = date(2023, 1, 1) + timedelta(days=chance.randrange(900))
        expires = granted + timedelta(days=365)
        state = chance.choice(("Active", "Disabled"))
        rows.append((hyphenated(vendor.number), vendor.name, state, granted.isoformat(), expires.isoformat()))
        fields = {"developer": vendor.name, "developer_id": vendor.number, "granted": granted.isoformat()}
        fields |= {"expires": expires.isoformat(), "status": "active" if state == "Active" else "expired"}
        wants.append(Want(status="read", kind="authorization_status", system="amazon", wording="en", fields=fields))
    head = ("Developer ID", "Developer Nickname", "Status", "Authorization date", "Expiration date")
    return Text(
        language="en", sender="Owner <owner@shop.example>", subject="Our apps",
        before=("Manage Your Apps", "Current Authorizations"), rows=(head, *rows), wants=tuple(wants),
    )  # fmt: skip


def chinese_page(chance: random.Random) -> Text:
    rows, wants = [], []
    for vendor in chance.sample(VENDORS, chance.randint(1, 3)):
        granted = date(2023, 1, 1) + timedelta(days=chance.randrange(900))
        expires = granted + timedelta(days=365)
        rows.append((vendor.name, vendor.number, _kanji(granted), _kanji(expires)))
        fields = {"developer": vendor.name, "developer_id": vendor.number, "granted": granted.isoformat()}
        fields |= {"expires": expires.isoformat()}
        wants.append(Want(status="read", kind="authorization_status", system="amazon", wording="zh", fields=fields))
    return Text(
        language="zh", sender="店主 <owner@shop.example>", subject="当前授权",
        before=("用户权限", "Amazon MWS开发人员权限", "当前授权"),
        rows=(("应用程序名称", "MWS 开发者编号", "授权日期", "到期日期"), *rows), wants=tuple(wants),
    )  # fmt: skip


ACCOUNTONE = "AccountOne <service@accountone.de>"


def accountone_mail(chance: random.Random) -> Text:
    return Text(
        language="de", sender=ACCOUNTONE, subject="Status Ihrer Schnittstellen",
        before=(chance.choice((
            "In Ihrem Dashboard steht ,,Anbindung erneuern''.", "In Ihrem Dashboard steht „Anbindung erneuern“.",
            'Steht in Ihrem Dashboard "Anbindung erneuern", muss der zugehörige Token erneuert werden.',
            "Anbindung erneuern",
        )),),
        wants=(Want(status="read", kind="connection_renewal_needed", system="accountone", wording="de"),),
    )  # fmt: skip


STATUSES = {"OK": "active", "Prüfen": "check", "Datei hochladen": "upload", "Anbindung erneuern": ""}


def _channels(chance: random.Random) -> tuple[list[tuple[str, str]], tuple[Want, ...]]:
    """Return channels with their statuses, and what is to be read of them: only Amazon's concern us, each region by itself."""
    names = ["Amazon SP EU", "Amazon SP US", "eBay", "PayPal", "Shopify", "Stripe"]
    chance.shuffle(names)
    found = [(name, chance.choice(list(STATUSES))) for name in names[: chance.randint(3, 6)]]
    if not any(name.startswith("Amazon") for name, _ in found):
        found.append(("Amazon SP DE", "Anbindung erneuern"))
    wants = []
    for name, status in found:
        if not name.startswith("Amazon"):
            continue
        region = {"EU": "eu", "US": "na"}.get(name[-2:])
        fields = {"channel": "SP", "region": region} if region else {"channel": "SP DE"}
        if STATUSES[status]:
            fields["status"] = STATUSES[status]
        kind = "authorization_status" if STATUSES[status] else "connection_renewal_needed"
        wants.append(Want(status="read", kind=kind, system="accountone", wording="de", fields=fields))
    return found, tuple(wants)


def accountone_dashboard(chance: random.Random) -> Text:
    """Return the dashboard as a table."""
    channels, wants = _channels(chance)
    return Text(
        language="de", sender=ACCOUNTONE, subject="Dashboard", before=("AccountOne", "Schnittstellen"),
        rows=(
            ("Schnittstelle", "Status", "Letzte Bestellung", "Letztes Update"),
            *((*channel, "10.03.2024", "11.03.2024") for channel in channels),
        ),
        wants=wants,
    )  # fmt: skip


def accountone_records(chance: random.Random) -> Text:
    """Return the dashboard written downwards: each channel is a record, whose status is its own."""
    channels, wants = _channels(chance)
    return Text(
        language="de", sender=ACCOUNTONE, subject="Dashboard", before=("AccountOne", "Schnittstellen"),
        block=tuple(pair for name, status in channels for pair in (("Schnittstelle", name), ("Status", status))), wants=wants,
    )  # fmt: skip


def accountone_lines(chance: random.Random) -> Text:
    """Return the dashboard with a line for each channel."""
    channels, wants = _channels(chance)
    return Text(
        language="de", sender=ACCOUNTONE, subject="Dashboard", before=("AccountOne", "Schnittstellen"),
        block=tuple(channels), wants=wants,
    )  # fmt: skip


def accountone_error(chance: random.Random) -> Text:
    return Text(
        language="de", sender=ACCOUNTONE, subject="Fehlermeldung",
        before=("Benutzer -> Integrationen -> Amazon SP", "The access token you provided has expired."),
        wants=(Want(status="read", kind="access_token_expired", system="accountone", wording="en"),),
    )  # fmt: skip


def sokuhan(chance: random.Random) -> Text:
    return Text(
        language="ja", sender="速販 <info@sokuhan.example>", subject="[速販] amazon SP-API利用認証依頼(amazon)",
        before=("下記URLより再認証をお願いいたします。",), link="https://sokuhan.example/auth",
        wants=(Want(status="read", kind="connection_renewal_needed", system="sokuhan", wording="ja"),),
    )  # fmt: skip


def _screen(system: str, title: str, words: str, kind: str = "connection_renewal_needed") -> Callable[..., Text]:
    def make(chance: random.Random) -> Text:
        return Text(
            language="en", sender="Owner <owner@shop.example>", subject="Please look", before=(title, words),
            wants=(Want(status="read", kind=kind, system=system, wording="en"),),
        )  # fmt: skip

    return make


def invalid_grant(chance: random.Random) -> Text:
    return Text(
        language="en", sender="Jobs <cron@shop.example>", subject="Order import failed",
        before=(
            "Amazon Selling Partner API answered 400:",
            '{"error_description":"The request has an invalid grant parameter : refresh_token. User may have revoked or didn\'t grant the permission.","error":"invalid_grant"}',
        ),
        wants=(Want(status="read", kind="access_token_expired", system="amazon_api", wording="lwa"),),
    )  # fmt: skip


GENUINE: Mapping[str, Callable[[random.Random], Text]] = {
    "amazon en": english,
    "amazon en tomorrow": english_tomorrow,
    "amazon en today": english_today,
    "amazon ja": japanese,
    "amazon ja without block": japanese_without_block,
    **{f"amazon {language} guessed": guessed(language) for language in GUESSED},
    "page ja": japanese_page,
    "page en": english_page,
    "page zh": chinese_page,
    "accountone mail": accountone_mail,
    "accountone dashboard": accountone_dashboard,
    "accountone records": accountone_records,
    "accountone lines": accountone_lines,
    "accountone error": accountone_error,
    "sokuhan": sokuhan,
    "sellerwerk": _screen("sellerwerk", "Sellerwerk", "Amazon access expired"),
    "merchantspring": _screen("merchantspring", "MerchantSpring", "Reconnect Required"),
    "payoneer": _screen("payoneer", "Payoneer Store Manager", "Reconnect store"),
    "feedbackexpress": _screen("feedbackexpress", "FeedbackExpress", "Relink Required"),
    "invalid_grant": invalid_grant,
}

DEVELOPER = "Amazon Services <no-reply@amazon.com>"


def _alike(language: str, subject: str, *body: str, kind: str = "", sender: str = DEVELOPER) -> Text:
    wants = (Want(status="refused", kind=kind, system=None),) if kind else ()
    return Text(language=language, sender=sender, subject=subject, before=body, wants=wants)


UNUSED = "we will deactivate your MWS Access Keys in 30 days due to inactivity. For your reference, the Developer ID associated to this notice is: 953818125270. Please do not close this case."
LOOK_ALIKES: Mapping[str, Text] = {
    "unused keys en": _alike("en", "Notice: MWS deactivation", UNUSED, kind="mws_key_deactivation"),
    "unused keys fr": _alike("fr", "Avis : désactivation MWS", UNUSED, kind="mws_key_deactivation"),
    "unused keys it": _alike("it", "Avviso: disattivazione di MWS", UNUSED, kind="mws_key_deactivation"),
    "unused keys de": _alike("de", "Mitteilung: Amazon MWS-Deaktivierung", UNUSED, kind="mws_key_deactivation"),
    "unused keys es": _alike("es", "Aviso: Desactivación de MWS", UNUSED, kind="mws_key_deactivation"),
    "unused keys, other subject": _alike("en", "Case 21424102471", UNUSED, kind="mws_key_deactivation"),
    "key reset": _alike("en", "[URGENT]: Amazon MWS Key Reset Notification - 14 Day Notice", "Dear Amazon Developer, You are receiving this message because you are a registered user of Amazon Marketplace Web Service (MWS).", kind="mws_key_reset"),
    "secret rotation": _alike("en", "Case 7607891772", "You have 30 days remaining to rotate your Login with Amazon (LWA) credentials (client secrets) as one or more of your applications have credentials that must be updated by 2024-04-10.", "Note: Rotating credentials DOES NOT impact end users. They DO NOT have to re-authorize applications.", kind="lwa_secret_rotation"),
    "secret rotation on the console": _alike("en", "Reminder", "Login With Amazon (LWA) Client secret for your application(s) will expire in less than 30 days. Review the LWA credentials column to identify applications that require client secret rotation.", kind="lwa_secret_rotation"),
    "secret rotation deadline": _alike("en", "Urgent: Login with Amazon rotation deadline is May 22, 2023", "Rotate your credentials.", kind="lwa_secret_rotation"),
    "appstore limit": _alike("en", "[Action Required] Appstore Listing Submission Authorization Limit", "Your application has more than 25 authorizations. Submit your listing by 04/22/2024.", "Amazon Services API Team", kind="appstore_authorization_limit"),
    "compliance ja": _alike("ja", "【要対応】Amazon MWS セキュリティ コンプライアンスについて", "2019年3月27日までにご対応ください。", kind="mws_security_compliance"),
    "funds delayed": _alike("en", "Your funds transfer has been delayed", "Please update your card.", kind="funds_transfer_delayed"),
    "access confirmation": _alike("en", "Enabled MWS Developer Access Confirmation", "In order to complete sign-up for MWS Developer Access Confirmation, please click the button below.", kind="developer_access_confirmation"),
    "the developer's secret": _alike("en", "Amazon API error", "The LWA secret token you provided has expired.", kind="developer_credentials_error"),
    "a transient error": _alike("en", "Amazon API error", "The security token included in the request is expired", kind="transient_error"),
    "the one-hour token": _alike("en", "Amazon API error", '"details": "The access token you provided has expired."'),
    "invalid client": _alike("en", "Amazon API error", "invalid_client: Client authentication failed", kind="developer_credentials_error"),
    "another channel of AccountOne": _alike("de", "Status", "AccountOne", "eBay: Anbindung erneuern", sender=ACCOUNTONE),
    "words of a stranger": _alike("de", "Jetzt Anbindung erneuern", "Anbindung erneuern und sparen!", sender="News <news@shop.example>"),
}  # fmt: skip
