# ruff: noqa: PERF401 - a list that grows clause by clause reads as the file does
"""Random rules files: valid ones of the whole grammar, and damaged ones. Random is handed in, so a seed tells it all."""

from __future__ import annotations

from random import Random

TEXTS = (
    "Never Settle",
    "更新",
    "é",
    "a # b",
    "x * y?",
    'say \\"hi\\"',
    "{{ developer }}",
    "{{ expires }}",
    "🎉",
    "a\\nb",
    "",
    "owner@shop.example",
)
NAMES = (
    "developer",
    "days_left",
    "expires",
    "trust",
    "region",
    "reminders",
    "subject",
    "sender.domain",
    "forwarded",
    "today",
    "soon",
    "core",
)
WORDS = ("bound", "expiring", "na", "amazon", "nothing", "yes", "no", "owner", "x1", "of_it")
COMMENTS = ("# why", '# "quoted" {', "#", "# 日本")


class Program:
    """Writes one program; `r` decides everything."""

    def __init__(self, r: Random) -> None:
        self.r = r

    def text(self) -> str:
        """A quoted text."""
        return f'"{self.r.choice(TEXTS)}"'

    def name(self) -> str:
        return self.r.choice(NAMES + WORDS)

    def date(self) -> str:
        return f"2024-{self.r.randint(1, 12):02}-{self.r.randint(1, 28):02}"

    def moment(self) -> str:
        return self.r.choice(
            [self.date(), f"{self.date()} {self.r.randint(0, 23):02}:{self.r.randint(0, 59):02}", "column"]
        )

    def duration(self) -> str:
        return f"{self.r.randint(1, 40)} {self.r.choice(['days', 'day', 'weeks', 'hours', 'minutes'])}"

    def days(self) -> str:
        return f"{self.r.randint(1, 40)} {self.r.choice(['days', 'day', 'weeks', 'week'])}"

    def atom(self) -> str:
        return self.r.choice([self.name, self.text, self.date, self.duration, lambda: str(self.r.randint(0, 99))])()

    def sum(self) -> str:
        gap = self.r.choice([" ", "", "  "])
        return (
            self.atom() if self.r.random() < 0.8 else f"{self.atom()}{self.r.choice([' + ', gap + '- '])}{self.atom()}"
        )

    def comma(self) -> str:
        return self.r.choice([", ", ",", " , ", ",\n    "])

    def comparison(self) -> str:
        sign = self.r.choice(
            ["is", "is not", "contains", "starts with", "ends with", "matches", "<", "<=", ">", ">=", "is one of"]
        )
        if sign == "is one of":
            values = [self.sum() for _ in range(self.r.randint(1, 4))]
            right = self.comma().join(values) if self.r.random() < 0.6 else "(\n" + ",\n".join(values) + "\n)"
        else:
            right = self.sum()
        because = f" because {self.text()}" if self.r.random() < 0.2 else ""
        return f"{self.sum()} {sign} {right}{because}"

    def condition(self, depth: int = 0) -> str:
        kind = self.r.random()
        if depth > 3 or kind < 0.5:
            return self.comparison() if self.r.random() < 0.9 else self.name()
        if kind < 0.6:
            return f"not {self.condition(depth + 1)}" if self.r.random() < 0.5 else f"not ({self.condition(depth + 1)})"
        if kind < 0.75:
            return f"({self.condition(depth + 1)})"
        joint = self.r.choice([" and ", " or ", "\n    and ", "\n   or ", " # t\n  and "])
        return joint.join(self.condition(depth + 1) for _ in range(self.r.randint(2, 3)))

    def offset(self) -> str:
        return self.r.choice([f"{self.days()} before expires", f"{self.days()} after expires", "soon before expires"])

    def action(self) -> str:
        due = self.r.choice(["", f" due {self.offset()}", f", due {self.offset()}", " due expires"])
        within = self.r.choice(["", f", settle within {self.duration()}", f",\n    settle within {self.duration()}"])
        return self.r.choice([
            f"create task {self.text()}{due}", f"notify owner {self.text()}", f"notify {self.text()} {self.text()}",
            "forward to owner", f"forward to {self.text()} {self.text()}", f"run {self.text()}{within}",
        ])  # fmt: skip

    def rule(self) -> list[str]:
        on = (
            "on "
            + self.comma().join(self.r.choice(["authorization_expiring", "unparsed", "x of amazon"]) for _ in range(1))
            + self.r.choice(["", ", other", ",\n    other"])
        )
        clauses = [on if self.r.random() < 0.5 else f"while {self.condition()}"]
        if self.r.random() < 0.6:
            clauses.append(f"when {self.condition()}")
        clauses += self.r.sample(
            [
                f"description {self.text()}",
                f"owner {self.r.choice(['admin', self.text()])}",
                f"runbook {self.text()}",
                "disabled",
            ],
            self.r.randint(0, 4),
        )
        for _ in range(self.r.randint(1, 3)):
            start = self.r.choice(["", " from expires", f" from {self.days()} before expires"])
            clauses.append(self.r.choice([
                self.action(), f"{self.offset()}: {self.action()}", f"at expires : {self.action()}",
                f"every {self.days()}{self.r.choice(['', ' doubling'])}{start}{self.r.choice(['', ' at most 3 times'])}: {self.action()}",
            ]))  # fmt: skip
        return self.block(f'rule "r{self.r.random()}" {{', clauses)

    def wording(self, head: str) -> list[str]:
        maybe = [self.r.choice(["", "maybe "]) for _ in range(2)]
        clauses = [
            f'{m}{self.r.choice(["subject", "line", "says"])} "Ends {{expires}} {{x: date D.M.YYYY}} {{{{"'
            for m in maybe
        ]
        return self.block(head, clauses + [f"status is {self.text()}"] * self.r.randint(0, 1))

    def notice(self) -> list[str]:
        inner = [
            f"kind{n}: {self.r.choice(['text', 'date', 'number'])}{self.r.choice(['', ' ' + self.text()])}"
            for n in range(self.r.randint(0, 3))
        ]
        if self.r.random() < 0.3:
            inner.append(f"refuse {self.text()}")
        for language in ("en", "de unverified")[: self.r.randint(0, 2)]:
            inner.append("\n".join(self.wording(f"wording {language} {{")))
        return self.block("notice n of amazon {", inner)

    def system(self) -> list[str]:
        clauses = [
            f"mail from {self.comma().join(self.text() for _ in range(self.r.randint(1, 3)))}",
            f"renew at {self.text()}",
            f"renew by {self.text()}",
            f"how en {self.text()}",
            f"shows within {self.duration()}",
            "yields to amazon, other",
        ]
        return self.block(f"system hub {self.text()} {{", self.r.sample(clauses, self.r.randint(0, len(clauses))))

    def long(self) -> str:
        body = self.r.choice(
            ["\n  From: a@b.example\n\n   {{ days }} \"x\" '' # no\n  ", " one line ", "\nFrom: x\n\n\ntext\n"]
        )
        return f'"""{body}"""'

    def test(self) -> list[str]:
        clauses = []
        if self.r.random() < 0.3:
            clauses.append('timezone "Asia/Tokyo"')
        if self.r.random() < 0.4:
            rows = [
                ", ".join(self.r.choice([self.text(), self.date(), "3", f"{self.date()} 09:00"]) for _ in range(2))
                for _ in range(self.r.randint(0, 3))
            ]
            clauses.append("\n".join(self.block("table days, column {", rows)))
        settings = self.r.choice(
            [
                "",
                f" with days {self.text()}",
                f" with days {self.text()}{self.comma()}other 2024-04-10",
                " with days column, n 3",
            ]
        )
        trust = self.r.choice(["", " as bound"])
        for _ in range(self.r.randint(1, 4)):
            clauses.append(self.r.choice([
                f"mail {self.text()}{trust} at {self.moment()}", f"mail {self.long()}{settings}{trust} at {self.moment()}", f"mail expiry{settings}{trust} at {self.moment()}",
                f"renewed {self.text()} at {self.moment()}", f"renewed {self.text()} until {self.date()} at {self.moment()}", f"done {self.text()} at {self.moment()}",
                f'add {self.text()} of amazon id "525964794073" expires {self.date()} at {self.moment()}', f"poll every 1 hour until {self.moment()}", f"poll at {self.moment()}",
                f"expect task {self.text()} once on {self.date()}", f"expect notify owner {self.text()} 3 times", "expect run never", "expect nothing else",
                f"expect authorization {self.text()} is expiring on {self.date()}", "expect notice unparsed 1 time", f"expect forward to {self.text()} {self.text()}",
            ]))  # fmt: skip
        return self.block(f'test "t{self.r.random()}" {{', clauses)

    def let(self) -> list[str]:
        values = [self.atom() for _ in range(self.r.randint(1, 3))]
        if (
            self.r.random() < 0.4
        ):  # behind the list of an `is one of`, a comma goes on with that list: conditions stand alone
            values = [self.condition()]
        if len(values) > 1 and self.r.random() < 0.3:
            return [f"let v{self.r.randint(0, 999)}=(\n{','.join(values)}\n)"]
        return [f"let v{self.r.randint(0, 999)} = {self.comma().join(values)}"]

    def sample(self) -> list[str]:
        return [f"sample s{self.r.randint(0, 999)} {self.long()}"]

    def block(self, head: str, clauses: list[str]) -> list[str]:
        """A block with its clauses, indented as it comes, with comments and empty lines here and there."""
        if len(clauses) == 1 and self.r.random() < 0.2 and "\n" not in clauses[0]:
            return [f"{head} {clauses[0]} }}"]
        out = [head + self.r.choice(["", "  # c", " "])]
        for clause in clauses:
            out += self.r.choice([[], [], [], [""], ["  " + self.r.choice(COMMENTS)], ["", "", ""]])
            out.append(self.r.choice(["  ", "", "\t", "      "]) + clause + self.r.choice(["", "", "  # t", " "]))
        return [*out, self.r.choice(["", "  "]) + "}"]

    def file(self, blocks: int = 4) -> str:
        """A file of some blocks."""
        kinds = [self.rule, self.rule, self.notice, self.system, self.test, self.let, self.sample]
        kinds.append(lambda: self.wording("wording fr of n of amazon {"))
        out: list[str] = []
        for _ in range(self.r.randint(1, blocks)):
            out += self.r.choice(kinds)()
            out += self.r.choice([[], [""], ["# " + self.r.choice(TEXTS)], ["", "", ""]])
        return "\n".join(out) + self.r.choice(["", "\n", "\n\n"])


STRAY = "“”‘’„«»：（）　\u00a0\u200b\ufeff\x00\u202e🎉é日;'`\\{}()\"#=!&|<>,.+-*/%$@[]~^\t\r\n"
PIECES = (
    '"', '"""', "{", "}", "(", ")", " and ", " or ", " not ", "\n", "is", "one of", "rule", 'test "t" {', "when ", "7 days", "before", ":", ",", "let x = ", "{{ x }}", "==",
    "(" * 80, "not " * 300, "x" * 3000, '"' * 7, "a,\n" * 50, "{\n" * 70, "and a is b\n" * 100,
)  # fmt: skip


def damaged(text: str, r: Random) -> str:
    """A copy of a text with some mistakes: characters and words deleted, doubled, swapped, put in."""
    for _ in range(r.choice([1, 1, 1, 2, 3, 8])):
        at = r.randint(0, len(text))
        end = min(len(text), at + r.choice([1, 1, 3, 10, 60]))
        match r.randint(0, 7):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:end] + text[at:end] + text[end:]
            case 2:
                text = text[:at] + r.choice(STRAY) + text[at:]
            case 3:
                text = text[:at] + r.choice(PIECES) + text[at:]
            case 4:
                text = text[:at] + text[at:end][::-1] + text[end:]
            case 5:
                words = text.split(" ")
                one, two = r.randrange(len(words)), r.randrange(len(words))
                words[one], words[two] = words[two], words[one]
                text = " ".join(words)
            case 6:
                words = text.split(" ")
                del words[r.randrange(len(words))]
                text = " ".join(words)
            case _:
                lines = text.split("\n")
                one = r.randrange(len(lines))
                lines[one : one + 1] = r.choice(
                    [[], [lines[one]] * 2, [lines[one].upper()], [lines[one].strip()[::-1]], [r.choice(lines)]]
                )
                text = "\n".join(lines)
    return text
