"""The table of providers, what a configuration takes from it, and each provider's quirks on a scripted server."""

from pathlib import Path

import pytest

from mailrules import config
from mailrules.errors import ConfigError
from mailrules.sources import providers

REST = 'user = "shop@firm.example"\npassword = { env = "P" }\n'


def loaded(folder, text):
    path = folder / "mailrules.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(str(path))


def refusal(folder, text):
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return str(caught.value)


def test_every_provider_is_found_by_its_name_its_hosts_and_its_domains_and_no_two_claim_the_same():
    for row in providers.PROVIDERS:
        assert providers.by_name(row.name) is row
        assert all(providers.by_host(host) is row for host in (row.host, *row.hosts) if host)
        assert all(providers.by_address(f"x@{domain}") is row for domain in row.domains)
        assert row.link.startswith("https://")
        assert row.source.startswith("https://")
        assert row.tls in config.PORTS
        assert row.smtp_tls in config.PORTS
    assert {providers.by_name(alias).name for alias in providers.ALIASES} == {"gmail", "outlook"}


def test_a_host_of_a_customers_own_is_known_by_its_domain_and_a_strange_one_by_nobody():
    assert providers.by_host("shop.sakura.ne.jp").name == "sakura"
    assert providers.by_host("IMAP.GMAIL.COM.").name == "gmail"
    assert providers.by_host("imap.firm.example") is None
    assert providers.by_host("") is None
    assert providers.by_address("x@firm.example") is None


def test_a_provider_gives_host_port_and_tls_and_the_configuration_may_override_each(tmp_path):
    account = loaded(tmp_path, '[accounts.main]\nprovider = "office365"\n' + REST).account("main")
    assert (account.host, account.port, account.tls) == ("outlook.office365.com", 993, "implicit")
    text = '[accounts.main]\nprovider = "gmx"\nhost = "imap.test"\nport = 1143\ntls = "starttls"\n' + REST
    account = loaded(tmp_path, text).account("main")
    assert (account.host, account.port, account.tls, account.provider.name) == ("imap.test", 1143, "starttls", "gmx")
    account = loaded(tmp_path, '[accounts.main]\nprovider = "gmx"\ntls = "starttls"\n' + REST).account("main")
    assert account.port == 143


def test_a_host_alone_brings_the_quirks_of_its_provider(tmp_path):
    account = loaded(tmp_path, '[accounts.main]\nhost = "imap.163.com"\n' + REST).account("main")
    assert account.provider.id_first


def test_an_unknown_provider_and_one_without_a_server_of_its_own_are_told(tmp_path):
    assert "did you mean `gmail`?" in refusal(tmp_path, '[accounts.main]\nprovider = "gmial"\n' + REST)
    assert "`host` is missing" in refusal(tmp_path, '[accounts.main]\nprovider = "sakura"\n' + REST)


def test_mail_goes_out_by_the_server_of_the_account_that_smtp_names(tmp_path):
    text = '[accounts.main]\nprovider = "outlook"\nuser = "s@firm.example"\noauth = "microsoft"\n'
    text += '[oauth.microsoft]\nclient_id = "x"\n[smtp]\naccount = "main"\nfrom = "s@firm.example"\n'
    smtp = loaded(tmp_path, text).smtp
    assert (smtp.host, smtp.port, smtp.tls, smtp.user) == ("smtp.office365.com", 587, "starttls", "s@firm.example")
    assert (smtp.auth, smtp.password) == ("xoauth2", {"oauth": "microsoft"})


SIGN_INS = {
    'password = { env = "P" }': ("password", {"env": "P"}),
    'token = { command = ["t"] }': ("xoauth2", {"command": ["t"]}),
    'token = { command = ["t"] }\nauth = "oauthbearer"': ("oauthbearer", {"command": ["t"]}),
    'oauth = "google"': ("xoauth2", {"oauth": "google"}),
}


@pytest.mark.parametrize("text", SIGN_INS)
def test_how_an_account_signs_in_follows_from_what_it_is_given(tmp_path, text):
    account = loaded(tmp_path, f'[accounts.main]\nprovider = "gmail"\nuser = "s"\n{text}\n').account("main")
    assert (account.auth, account.password) == SIGN_INS[text]


WRONG = {
    'password = { env = "P" }\ntoken = { env = "T" }': "only one can be right",
    'password = { env = "P" }\nauth = "xoauth2"': "does not go with `password`",
    'token = { env = "P" }\nauth = "password"': "does not go with `token`",
    'token = "abc"': "stands there in the clear",
    'auth = "ntlm"\npassword = { env = "P" }': "is password, xoauth2 or oauthbearer",
    'oauth = "yahoo"': "is google or microsoft",
    "": "must be one reference",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_sign_in_that_cannot_be_meant_is_told(tmp_path, text):
    assert WRONG[text] in refusal(tmp_path, f'[accounts.main]\nprovider = "gmail"\nuser = "s"\n{text}\n')


def test_the_configuration_never_shows_a_token_or_a_client_secret(tmp_path):
    text = '[accounts.main]\nprovider = "gmail"\nuser = "s"\ntoken = { file = "here" }\n'
    text += '[oauth.google]\nclient_id = "x"\nclient_secret = { file = "there" }\n'
    origins = loaded(tmp_path, text).origins
    assert origins["accounts.main.token"][0] == origins["oauth.google.client_secret"][0] == "(a reference)"


def test_an_authorization_server_is_reached_over_tls_or_on_this_machine(tmp_path):
    text = '[accounts.main]\nprovider = "gmail"\nuser = "s"\noauth = "google"\n[oauth.google]\nclient_id = "x"\n'
    assert "begins with https" in refusal(tmp_path, text + 'server = "http://auth.example"\n')
    assert loaded(tmp_path, text + 'server = "http://127.0.0.1:1/"\n').oauth["google"].server == "http://127.0.0.1:1"


def test_the_page_of_providers_has_a_row_for_each_with_its_servers_and_what_it_wants():
    page = (Path(__file__).parent.parent / "docs" / "providers.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    assert list(rows)[1:] == [p.name for p in providers.PROVIDERS]
    for provider in providers.PROVIDERS:
        row = rows[provider.name]
        assert f"| {provider.host}:{provider.port} |" in row if provider.host else "| your own | your own |" in row
        assert f"| {provider.smtp_host}:{provider.smtp_port}" in row or not provider.smtp_host
        assert ("(STARTTLS)" in row) == (provider.smtp_tls == "starttls")
        assert (f"| {provider.checked} |" if provider.checked else "| no |") in row
        assert f"({provider.link})" in row
        assert ("app password" in row, "授权码" in row, "switched on" in row) == tuple(
            need in provider.needs for need in ("app_password", "authorization_code", "imap_on")
        )
    assert all(f"`{alias}`" in page for alias in providers.ALIASES)
