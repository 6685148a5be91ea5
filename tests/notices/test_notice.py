from __future__ import annotations

from narration.notices.notice import (
    LONGEST_LINE,
    LONGEST_SNS_SUBJECT,
    MOST_LINES,
    Event,
    Notice,
    chat_text,
    mail_html,
    plain_text,
    sns_subject,
    subject,
)

NOTICE = Notice(
    event=Event.SUCCESS,
    title="Narrated: Salt & <Sugar>",
    lines=("The service billed 10 characters.",),
    facts={"MP3": "s3://store/a.mp3", "Run": "http://localhost:8080/dags/narrate_polly/runs/x"},
)


def test_plain_text_has_the_title_the_sentences_and_the_facts():
    assert plain_text(NOTICE) == (
        "Narrated: Salt & <Sugar>\n\nThe service billed 10 characters.\n\n"
        "MP3: s3://store/a.mp3\nRun: http://localhost:8080/dags/narrate_polly/runs/x"
    )


def test_nothing_in_a_title_mentions_a_channel_or_becomes_markup():
    notice = Notice(event=Event.FAILURE, title="<!channel> & <b>", lines=("<https://evil|Airflow>",))

    assert chat_text(notice) == "*&lt;!channel&gt; &amp; &lt;b&gt;*\n\n&lt;https://evil|Airflow&gt;"
    assert "<b>" not in mail_html(notice).replace("<b>Run</b>", "")
    assert "&lt;b&gt;" in mail_html(notice)


def test_a_mail_links_to_the_run_and_not_to_what_only_looks_like_an_address():
    body = mail_html(NOTICE)

    assert '<a href="http://localhost:8080/dags/narrate_polly/runs/x">' in body
    assert "s3://store/a.mp3" in body
    assert 'href="s3:' not in body


def test_a_line_break_in_a_title_makes_no_header():
    notice = Notice(event=Event.SUCCESS, title="A\r\nBcc: all@example.com").presentable()

    assert subject(notice) == "[Narration] A Bcc: all@example.com"


def test_signatures_tokens_and_passwords_in_addresses_are_taken_out():
    notice = Notice(
        event=Event.FAILURE,
        title="Failed: https://host/book.txt?X-Amz-Signature=abc",
        lines=("GET https://user:pass@host/a?sig=abc#t failed: abcdef.", "s3://key:secret@bucket/x"),
        facts={"Document": "https://host/book.txt?sv=1&sig=abc", "MP3": "s3://my_conn@bucket/x.mp3"},
    ).presentable(secrets=["abcdef"])

    assert notice.title == "Failed: https://host/book.txt"
    assert notice.lines == ("GET https://***@host/a failed: ***.", "s3://***@bucket/x")
    assert notice.facts == {"Document": "https://host/book.txt", "MP3": "s3://my_conn@bucket/x.mp3"}


def test_nobody_reads_a_book_in_a_notice():
    notice = Notice(event=Event.FAILURE, title="t" * 5000, lines=("x" * 5000,) * 100).presentable()

    assert len(notice.lines) == MOST_LINES + 1
    assert notice.lines[-1] == f"And {100 - MOST_LINES} more."
    assert max(map(len, notice.lines)) <= LONGEST_LINE + 1


def test_sns_gets_a_subject_that_it_takes():
    notice = Notice(event=Event.SUCCESS, title=f"Narrated: Désirée — 夜\n{'x' * 200}").presentable()

    made = sns_subject(notice)

    assert made.isascii()
    assert made.isprintable()
    assert made.startswith("[Narration] Narrated: Desiree")
    assert len(made) <= LONGEST_SNS_SUBJECT


def test_a_notice_survives_xcom():
    assert Notice.from_dict(NOTICE.to_dict()) == NOTICE
