"""The patient's report: what it says, that it is safe and self-contained, and that it opens."""

from __future__ import annotations

import dataclasses
import html
import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from ctcnv import cli, report, schema
from ctcnv.genetest import NOT_EXCLUDED
from ctcnv.report import Sample, Sheet, methods, patient_report, svg, view, words
from tests import fakes

NAN = float("nan")
CASES = fakes.cases(atom_bp=500_000)
MAX_BYTES = 3_000_000


def page_of(fake: fakes.FakePatient, **changes: object) -> str:
    """The page of a fake patient; changes replace its name, track or samples."""
    given = {
        "patient": fake.name,
        "track": Sheet(*fake.track),
        "samples": samples_of(fake),
    } | changes
    return patient_report(**given)


def samples_of(fake: fakes.FakePatient) -> list[Sample]:
    return [
        Sample(sample.name, **{name: Sheet(*table) for name, table in sample.tables.items()})
        for sample in fake.samples
    ]


def words_of(page: str) -> str:
    """The text a reader sees, without tags, script and data."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def with_track(fake: fakes.FakePatient, **columns: object) -> Sheet:
    """The track with columns of every row, or of the last row for a one-item tuple, replaced."""
    frame = fake.track[0].copy()
    for name, value in columns.items():
        frame.loc[frame.index[-1], name] = value
    return Sheet(schema.TRACK.check(frame), fake.track[1])


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: page_of(fake) for name, fake in CASES.items()}


def test_copies_with_the_informed_fraction_stand_beside_those_of_the_sample_alone():
    fake = CASES["responder"]
    track = with_track(fake, erbb2_informed=38.2, erbb2_informed_low=29.0,
                       erbb2_informed_high=51.0)  # fmt: skip
    assert "informed 38 (29\u201351)" in words_of(page_of(fake, track=track))
    assert "informed 38" not in words_of(page_of(fake))


def test_a_narrow_amplicon_that_is_not_excluded_is_said_in_words():
    fake = CASES["responder"]
    first = fake.samples[0]
    table, meta = first.tables["genes"]
    table, why = table.copy(), f"{NOT_EXCLUDED}, only 7.2 copies or more are"
    table.loc[table["gene"] == "ERBB2", ["call", "reason"]] = ["indeterminate", why]
    changed = dataclasses.replace(first, tables=first.tables | {"genes": (table, meta)})
    fake = dataclasses.replace(fake, samples=(changed, *fake.samples[1:]))
    frame = fake.track[0].copy()
    frame.loc[frame.index[0], "erbb2_call"] = "indeterminate"
    page = words_of(page_of(fake, track=Sheet(frame, fake.track[1])))
    assert f"Cannot be told: {why}. It is not a negative result." in page


def test_the_answer_stands_first(pages):
    text = words_of(pages["responder"])
    head = text[: text.index("Course over time")]
    for said in ("Amplified", "copies per tumor cell", "Plasma copy number", "30\u00a0%",
                 "Change in ctDNA fraction at day\u00a021", "Decrease"):  # fmt: skip
        assert " ".join(said.split()) in head


@pytest.mark.parametrize("name", CASES)
def test_research_use_is_said_at_top_and_bottom(pages, name):
    assert words_of(pages[name]).count("For research use only. Not for diagnosis.") == 2


@pytest.mark.parametrize("call", schema.GENE_CALL)
def test_every_call_is_shown_by_its_word(call):
    fake = CASES["failed"]
    page = page_of(fake, track=with_track(fake, erbb2_call=call))
    assert f'<span class="chip {call}">{call.capitalize()}</span>' in page


@pytest.mark.parametrize("change", schema.TRACK_CHANGE)
def test_every_change_is_shown_by_its_word(change):
    fake = CASES["failed"]
    page = page_of(fake, track=with_track(fake, change=change))
    assert f">{change.replace('_', ' ').capitalize()}</span>" in page


def test_indeterminate_reads_as_a_sample_that_could_not_have_shown_it(pages):
    text = words_of(pages["unclear"])
    assert "This sample could not have shown an amplification of fewer than 85 copies" in text
    assert "It is not a negative result." in text


def test_indeterminate_without_detectable_copies_says_that_no_number_would_do():
    fake = CASES["unclear"]
    samples = samples_of(fake)
    genes = samples[0].genes.frame.assign(detectable_copies=NAN)
    samples[0] = dataclasses.replace(samples[0], genes=Sheet(genes, samples[0].genes.meta))
    assert "shown an amplification, whatever its number of copies." in words_of(
        page_of(fake, samples=samples)
    )


def test_a_fall_below_the_limit_is_given_as_a_bound():
    fake = CASES["responder"]
    track = with_track(fake, status="not_detected", ratio=0.05, ratio_low=0.0, ratio_high=0.2)
    assert "Decrease of at least 80 %" in words_of(page_of(fake, track=track))


def test_a_rise_from_below_the_limit_is_given_as_a_bound():
    fake = CASES["responder"]
    track = with_track(fake, change="increase", ratio=NAN, ratio_low=2.5, ratio_high=NAN)
    assert "Increase to at least 2.50 ×" in words_of(page_of(fake, track=track))


@pytest.mark.parametrize(
    ("falls", "said"),
    [
        ((1.0, 1.0, 1.0), "Probability of a fall by half or more > 99 %"),
        ((1.0, 0.999, 0.6), "Probability of a fall by half or more 60 %, by 30 % or more > 99 %"),
        ((0.97, 0.8, 0.2),
         "Probability of a fall by half or more 20 %, by 30 % or more 80 %, at all 97 %"),
    ],
)  # fmt: skip
def test_the_largest_sure_fall_is_named(falls, said):
    names = ("p_decrease", "p_decrease_30", "p_decrease_50")
    track = with_track(CASES["responder"], **dict(zip(names, falls, strict=True)))
    text = words_of(page_of(CASES["responder"], track=track))
    assert f"{said} ERBB2 excess" in text


def test_a_rise_is_told_as_a_rise():
    track = with_track(CASES["responder"], change="increase", ratio=1.6, ratio_low=1.3,
                       ratio_high=1.9, p_decrease=0.001, p_decrease_30=0.0,
                       p_decrease_50=0.0)  # fmt: skip
    text = words_of(page_of(CASES["responder"], track=track))
    assert "Probability of a rise > 99 %" in text
    assert "Probability of a fall" not in text


def test_copies_that_cannot_be_compared_stand_among_what_is_not_evaluable():
    why = "0.78 of baseline per tumor cell, too wide to tell a selective loss"
    reason = f"ctDNA fraction: 0.1 of baseline; ERBB2 copies: not evaluable, {why}"
    track = with_track(CASES["responder"], reason=reason)
    text = words_of(page_of(CASES["responder"], track=track))
    head = text[: text.index("Course over time")]
    assert "ERBB2 copies per tumor cell: change not evaluable" in head
    assert f"Change in ERBB2 copies per tumor cell, day 21 {why}." in head
    not_raised = words_of(page_of(CASES["responder"]))
    assert "Change in ERBB2 copies per tumor cell" not in not_raised


def test_what_mutations_say_of_the_change_is_said():
    fake = CASES["responder"]
    agree = "4 mutations have a part in the change of the ctDNA fraction"
    reason = f"ctDNA fraction: 0.1 of baseline; mutations: {agree}; mean VAF: 0.12 of baseline"
    values = {"mutation_fraction": 0.038, "mutation_low": 0.023, "mutation_high": 0.05,
              "vaf_ratio": 0.12, "vaf_ratio_low": 0.09, "vaf_ratio_high": 0.15}  # fmt: skip
    text = words_of(page_of(fake, track=with_track(fake, reason=reason, **values)))
    head, course = text.split("Course over time")[:2]
    assert f"Mean allele fraction of mutations: 0.12 × baseline (0.090–0.15) {agree}." in head
    assert "by mutations alone 3.8 % (2.3–5.0 %)" in course
    assert "mean allele fraction 0.12 (0.090–0.15)" in course
    assert "disagree on the change" not in text
    plain = words_of(page_of(fake))
    assert "by mutations alone" not in plain
    assert "have a part in the change" not in plain


def test_mutations_that_cannot_be_compared_or_do_not_fit_stand_among_what_is_not_evaluable():
    why = "4 mutations changed in another way than copy number and have no part in the change"
    missing = "APC chr5:1 of the baseline not listed here with reads"
    reason = (f"ctDNA fraction: 0.1 of baseline; mutations: {why}; mean VAF: not evaluable, "
              f"{missing}")  # fmt: skip
    fake = CASES["responder"]
    text = words_of(page_of(fake, track=with_track(fake, reason=reason)))
    head = text.split("Course over time")[0]
    assert f"Mutations and copy number disagree on the change, day 21 {why}." in head
    assert f"Change in mean allele fraction, day 21 {missing}." in head


def test_one_of_several_baselines_is_said_in_the_course():
    fake = CASES["responder"]
    frame = fake.track[0].copy()
    frame.loc[frame.index[0], "reason"] = "baseline; days: the last of 2 samples at or before day 0"
    course = words_of(page_of(fake, track=Sheet(frame, fake.track[1]))).split("Course over time")[1]
    assert "The last of 2 samples at or before day 0." in course.split("Genome-wide")[0]


def test_a_person_that_cannot_be_told_is_not_evaluable_with_the_evidence():
    fake = CASES["responder"]
    told = "not evaluable (both female, likelihood ratio 2.5)"
    track = with_track(fake, identity="not_evaluable",
                       reason=f"ctDNA fraction: 0.1 of baseline; identity: {told}")  # fmt: skip
    text = words_of(page_of(fake, track=track))
    row = text[text.index("Person of the baseline") :][:130]
    assert "Is the baseline Not evaluable both female, likelihood ratio 2.5 " in row


def test_a_call_is_given_with_its_probability(pages):
    head = words_of(pages["responder"]).split("Course over time")[0]
    assert "Probability of an amplification > 99 %" in head


def test_copies_with_a_lower_bound_only_say_at_least():
    fake = CASES["responder"]
    track = with_track(fake, erbb2_copies=NAN, erbb2_copies_low=14.0, erbb2_copies_high=NAN)
    assert "at least 14 copies" in words_of(page_of(fake, track=track))


@pytest.mark.parametrize("name", CASES)
def test_missing_values_are_words_never_nan_none_or_blank(pages, name):
    text = words_of(pages[name])
    assert not re.search(r"\b(nan|None|NaT|inf|<NA>)\b", text)
    assert not re.search(r"<t[dh][^>]*>\s*</t[dh]>", pages[name])
    assert "NaN" not in pages[name]


def test_a_failed_sample_shows_no_number_for_what_is_not_known(pages):
    text = words_of(pages["failed"])
    assert "Copies per tumor cell: not evaluable" in text
    assert "Fewer than 20,000 fragments: nothing can be said." in text
    assert "Not evaluable in any sample." in text


def test_a_failed_follow_up_leaves_the_other_sample_readable(pages):
    text = words_of(pages["mixed"])
    assert "Copies per tumor cell: not evaluable" not in text
    assert "This sample failed." in text


def test_a_sample_that_stands_in_as_baseline_is_named(pages):
    assert "Stands in as baseline: no sample at or before day 0." in words_of(pages["single"])


def test_a_track_without_baseline_says_so():
    fake = CASES["single"]
    track = with_track(fake, baseline=False, change="not_evaluable", erbb2_change="not_evaluable")
    assert "No sample is a baseline" in words_of(page_of(fake, track=track))


def test_without_a_sample_near_the_target_day_the_change_is_not_evaluable():
    fake = fakes.patient("P01", (fakes.Point(0, 0.3), fakes.Point(60, 0.1)), atom_bp=500_000)
    assert "No sample within 7 days of day 21." in words_of(page_of(fake))


def test_a_patient_name_with_markup_is_escaped():
    page = page_of(CASES["failed"], patient="<script>alert(1)</script>")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_values_of_tables_are_escaped_everywhere():
    evil = "\"'></svg></script><img src=x onerror=alert(1)>"
    fake = CASES["responder"]
    samples = []
    for sample in samples_of(fake):
        sheets = sample.sheets()
        genes = sheets["genes"].frame.copy()
        genes["gene"] = [f"{gene}{evil}" if gene == "MYC" else gene for gene in genes["gene"]]
        genes.loc[genes["gene"].str.startswith("MYC"), "call"] = "amplified"
        genes["reason"] = evil
        sheets["genes"] = Sheet(genes, {"settings.genes": '{"a": "<b>x"}', evil: evil})
        sheets["qc"] = Sheet(sheets["qc"].frame.assign(reason=evil), {})
        sheets["fraction"] = Sheet(sheets["fraction"].frame.assign(reason=evil), {})
        samples.append(Sample(sample.name, **sheets))
    page = page_of(fake, samples=samples, track=with_track(fake, reason=evil))
    assert "<img" not in page
    assert "<b>x" not in page
    assert page.count("</script>") == 2
    assert "onerror=alert" in html.unescape(page)


def test_another_person_is_a_warning_above_all_and_its_reason_is_escaped():
    fake = CASES["responder"]
    assert 'role="alert"' not in page_of(fake)
    evil = "x; identity: not the person of the baseline (<script>alert(1)</script>)"
    page = page_of(fake, track=with_track(fake, identity="different", reason=evil))
    assert "is probably not of the same person as" in words_of(page)
    assert page.index('role="alert"') < page.index('class="cards"')
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_fetched_from_elsewhere(pages, name):
    page = pages[name].replace('xmlns="http://www.w3.org/2000/svg"', "")
    page = page.replace('createElementNS("http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//\w|@import|url\(", page.replace("// ", ""))
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b|\ssrc=|\shref=", page)


def test_the_policy_allows_only_our_own_style_and_script(pages):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', pages["responder"])
    assert policy is not None
    rules = html.unescape(policy[1])
    style = re.search(r"<style>(.*?)</style>", pages["responder"], re.S)
    script = re.search(r"<script>(.*?)</script>", pages["responder"], re.S)
    assert style is not None
    assert script is not None
    assert rules.startswith("default-src 'none'; ")
    assert f"style-src {report.assets.digest(style[1])};" in rules
    assert f"script-src {report.assets.digest(script[1])};" in rules
    assert " style=" not in pages["responder"].split("<script>")[0]


def test_the_same_tables_give_the_same_bytes(pages):
    assert page_of(fakes.patient(atom_bp=500_000)) == pages["responder"]


@pytest.mark.parametrize("name", CASES)
def test_the_page_stays_small(pages, name):
    assert len(pages[name].encode()) < MAX_BYTES


def test_six_time_points_of_fine_atoms_stay_small():
    points = [fakes.Point(day, 0.2) for day in (0, 21, 42, 63, 84, 105)]
    page = page_of(fakes.patient("P09", points, atom_bp=100_000))
    assert len(page.encode()) < MAX_BYTES


def test_every_drawing_has_a_title_and_a_description(pages):
    drawings = re.findall(r"<svg\b.*?</svg>", pages["six"], re.S)
    assert len(drawings) == 3 + 6 + 6
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r"<title id=[^>]+>[^<]+</title><desc id=[^>]+>[^<]+</desc>", drawing)


def test_ids_are_unique(pages):
    ids = re.findall(r'\sid="([^"]+)"', pages["six"])
    assert len(ids) == len(set(ids))


def test_a_male_x_is_drawn_at_one_copy():
    fake = CASES["responder"]
    samples = samples_of(fake)
    profile = samples[0].profile.frame.copy()
    profile.loc[profile["chrom"] == "chrX", "normal_copies"] = 1
    windows = report.display.windows(profile, atoms=50)
    assert windows[windows["chrom"] == "X"]["pcn"].median() == pytest.approx(1, abs=0.05)


def test_all_settings_of_the_run_are_listed(pages):
    text = words_of(pages["responder"])
    for key in ("amplified_copies", "error_rate", "ploidy_step", "curvature", "no_change"):
        assert key in text


def test_a_setting_that_differs_between_samples_is_told():
    sheets = [Sheet(pd.DataFrame(), {"settings.genes": f'{{"a": {n}}}'}) for n in (1, 2)]
    rows = methods.setting_rows({"track": sheets[0]}, [])
    assert rows == [("genes", [("a", "1")])]
    assert view.settings(sheets) == {"genes": {"a": [1, 2]}}


def test_a_sample_of_the_track_without_tables_is_refused():
    with pytest.raises(ValueError, match=r"track row 2: sample 'P01_d021' has no tables"):
        page_of(CASES["responder"], samples=samples_of(CASES["responder"])[:1])


def test_a_sample_without_a_row_in_the_track_is_refused():
    fake = CASES["responder"]
    track = Sheet(fake.track[0].iloc[:1], fake.track[1])
    with pytest.raises(ValueError, match=r"sample 'P01_d021' has no row in the track"):
        page_of(fake, track=track)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(1.0, 2.0, "1.0\u20132.0"), (1.0, NAN, "at least 1.0"), (NAN, 2.0, "at most 2.0"),
     (NAN, NAN, "interval not known")],
)  # fmt: skip
def test_an_interval_says_which_end_is_open(low, high, said):
    assert words.interval(low, high, words.copies) == said


def test_a_small_negative_number_is_not_minus_zero():
    assert words.decimals(-0.004, 2) == "0.00"
    assert words.decimals(-7, 0) == "\u22127"


def test_labels_are_spread_until_none_overlap():
    centres = svg.spread([10, 11, 12], [20, 20, 20], 0, 100)
    assert all(b - a >= 20 for a, b in itertools.pairwise(centres))
    assert centres[0] >= 10
    assert centres[-1] <= 90


def test_labels_with_room_stay_in_place_and_others_share_the_shift():
    assert svg.spread([10, 50, 52], [10, 20, 20], 0, 100) == [10, 41, 61]


# The command -----------------------------------------------------------------------------------


def arguments(fake: fakes.FakePatient, folder: Path, **changes: list[str]) -> list[str]:
    paths = {name: [str(p) for p in found] for name, found in fakes.write(fake, folder).items()}
    given = {"patient": [fake.name], "samples": [s.name for s in fake.samples], **paths,
             "output": [str(folder / "report.html")]} | changes  # fmt: skip
    return ["report", *(word for key, values in given.items() for word in (f"--{key}", *values))]


def test_the_command_writes_the_report(tmp_path):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments(CASES["responder"], tmp_path))
    assert end.value.code == 0
    assert "Amplified" in (tmp_path / "report.html").read_text()


def test_a_list_of_another_length_is_refused_in_one_line(tmp_path, capsys):
    words_ = arguments(CASES["responder"], tmp_path, qc=[str(tmp_path / "P01_d000" / "qc.tsv")])
    with pytest.raises(SystemExit) as end:
        cli.main(words_)
    assert end.value.code == 2
    assert "--qc has 1 files for 2 samples" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_table_that_is_missing_is_named_in_one_line(tmp_path, capsys):
    words_ = arguments(CASES["responder"], tmp_path)
    (tmp_path / "P01_d021" / "solutions.tsv").unlink()
    with pytest.raises(SystemExit) as end:
        cli.main(words_)
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "P01_d021/solutions.tsv: No such file" in last


def test_tables_of_swapped_samples_are_refused(tmp_path, capsys):
    words_ = arguments(CASES["responder"], tmp_path, samples=["P01_d021", "P01_d000"])
    with pytest.raises(SystemExit) as end:
        cli.main(words_)
    assert end.value.code == 2
    assert "of sample 'P01_d000'; expected 'P01_d021'" in capsys.readouterr().err


# --- mutations ---


def with_mutations(fake: fakes.FakePatient, **fraction: object) -> list[Sample]:
    """The samples, the first one with two variants; values replace those of its fraction row."""
    samples = samples_of(fake)
    rows = [dict.fromkeys(schema.MUTATIONS.names) for _ in range(2)]
    for index, row in enumerate(rows):
        row.update(chrom="chr17", start=7_675_087 + index, end=7_675_088 + index, ref="C", alt="T",
                   gene="<b>TP53</b>", depth=1000, alt_reads=150, vaf=0.15, vaf_low=0.13,
                   vaf_high=0.17, special=0.26, used=index == 0)  # fmt: skip
    rows[0] |= {"copies": 2, "multiplicity": 1, "p_clonal": 0.9, "fraction": 0.3,
                "fraction_low": 0.26, "fraction_high": 0.34}  # fmt: skip
    rows[1]["reason"] = "depth 20 below 100 <script>"
    table = schema.MUTATIONS.check(pd.DataFrame(rows))
    row = samples[0].fraction.frame.assign(
        cn_fraction=0.31, cn_low=0.29, cn_high=0.33, cn_status="detected", n_mutations=1,
        mutation_fraction=0.28, mutation_low=0.2, mutation_high=0.6, mutation_mean=0.3,
        max_vaf_fraction=0.26, agreement=0.05, **fraction,
    )  # fmt: skip
    samples[0] = dataclasses.replace(
        samples[0], fraction=Sheet(row, samples[0].fraction.meta), mutations=Sheet(table)
    )
    return samples


def test_mutations_are_shown_with_both_estimates_and_the_warning():
    fake = CASES["responder"]
    warning = "copy number and mutations disagree: 0.31 by <i>copy number</i>"
    page = page_of(fake, samples=with_mutations(fake, reason=warning))
    said = words_of(page)
    assert "Copy number alone 31\u00a0% (29\u201333\u00a0%)".replace("\u00a0", " ") in said
    assert "Mutations alone 28 % (20\u201360 %)" in said
    assert "1 of 2 variants used" in said
    assert "17:7,675,088" in said
    assert said.count("Copy number and mutations disagree") >= 2
    assert "<b>TP53" not in page
    assert "below 100 <script>" not in page
    assert "<i>copy" not in page
    assert "Depth 20 below 100 <script>." in said


def test_a_report_without_mutations_does_not_speak_of_them(pages):
    assert 'id="mutations"' not in pages["responder"]
    fake = CASES["responder"]
    empty = [
        dataclasses.replace(sample, mutations=Sheet(schema.MUTATIONS.empty()))
        for sample in samples_of(fake)
    ]
    assert 'id="mutations"' not in page_of(fake, samples=empty)


# --- the informed estimate ---


def test_what_is_not_seen_on_the_profile_says_what_could_have_been():
    fake = fakes.patient(points=(fakes.Point(0, 0.30), fakes.Point(21, 0.04)))
    track = with_track(fake, informed=0.002, informed_low=0.0, informed_high=0.006,
                       informed_p=0.3, informed_lod=0.0093, profile="not_evaluable")  # fmt: skip
    said = words_of(page_of(fake, track=track))
    assert "Not seen could have seen 0.93 % or more" in said
    assert "not seen on the patient's profile, could have seen 0.93 % or more" in said


def test_a_changed_profile_is_said_and_its_informed_fraction_is_not_shown_as_a_result():
    fake = fakes.patient(points=(fakes.Point(0, 0.30), fakes.Point(21, 0.20)))
    why = "changed (p 1e-05), most at chr2:3-90 Mb 6.1 sd above"
    track = with_track(fake, profile="changed", profile_p=1e-5,
                       reason=f"ctDNA fraction: 0.5 of baseline; profile: {why}")  # fmt: skip
    said = words_of(page_of(fake, track=track))
    assert "Not to be believed" in said
    assert "profile has changed" in said
    assert "Changed (p 1e-05), most at chr2:3-90 Mb 6.1 sd above." in said
    assert "(informed)" not in said


def test_a_predicted_noise_is_said():
    fake = fakes.patient(points=(fakes.Point(0, 0.30), fakes.Point(21, 0.20)))
    track = with_track(fake, reason="ctDNA fraction: 0.5 of baseline; noise: predicted and not "
                       "measured on normals, because there is no table of normals")  # fmt: skip
    assert "because there is no table of normals." in words_of(page_of(fake, track=track))
