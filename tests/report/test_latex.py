"""Tables for a paper: what stands in them by hand, and that LaTeX would read each text as a text."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsel.evaluation.comparison import Run, summarise
from rlsel.report.latex import escaped, summary_latex

HOSTILE = r"a&b_c%d$e#f{g}h~i^j\k[l]*<m>|n" + "\n\t\0é‮😀\udcff"


def run(selector: str, ratio: float, seed: int, accuracy: float) -> Run:
    return Run(
        selector=selector,
        ratio=ratio,
        seed=seed,
        model="small_cnn",
        accuracy=accuracy,
        top5=0.99,
        best_accuracy=accuracy,
        worst_class_accuracy=0.5,
        select_seconds=None if selector == "full" else {"el2n": 1.0}.get(selector, 0.1),
        train_seconds=4.0,
        peak_rss_bytes=1000,
        num_train=100,
        steps=7,
        mislabelled_kept=None,
        corrupted_kept=None,
        thresholded=None,
    )


RUNS = [
    run("full", 1.0, 0, 0.9), run("full", 1.0, 1, 0.8),
    run("random", 0.125, 0, 1 / 3), run("random", 0.125, 1, 0.4),
    run("el2n", 0.125, 0, 0.5), run("el2n", 0.125, 1, 0.6),
    run("random", 0.5, 0, 0.7), run("random", 0.5, 1, 0.8),
    run("el2n", 0.5, 0, 0.6), run("el2n", 0.5, 1, 0.7),
]  # fmt: skip


def body(text: str) -> list[list[str]]:
    """Returns the cells of every row of every table, its head included."""
    return [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]


def unescaped(text: str) -> str:
    """Takes away what is escaped, so that what is left is read by LaTeX as code."""
    return re.sub(r"\\(text\w+\{\}|[&%$#_{}])|\{[\[*]\}", "", text)


def check(text: str) -> None:
    """Checks what a compiler would: braces and environments in pairs, dollars too, and as many cells as columns."""
    depth, opened, columns = 0, [], 0
    for line in text.splitlines()[1:]:
        code = unescaped(line)
        assert "%" not in code.replace(r"\,\%", "").replace(r"\%", ""), line
        assert code.count("$") % 2 == 0, line
        assert not set(code) & set("~^#_"), line
        depth += code.count("{") - code.count("}")
        assert depth == 0, line
        opened += re.findall(r"\\begin\{(\w+)\}", code)
        for name in re.findall(r"\\end\{(\w+)\}", code):
            assert opened.pop() == name
        if found := re.search(r"\\begin\{tabular\}\{(\w+)\}", code):
            columns = len(found[1])
        assert "&" not in code or code.count("&") == columns - 1, line
    assert opened == []


def test_the_best_of_each_ratio_is_bold_with_its_error_and_interval() -> None:
    text = summary_latex(summarise(RUNS, {}), dataset="digits")
    head, full, *others = body(text)
    assert head == ["ratio", "selector", "accuracy", "to random", "to full", "top-5", "worst class", "cost"]
    assert full == ["1.00", "full", r"$85.00 \pm 5.00$", "", "", r"$99.00 \pm 0.00$", r"$50.00 \pm 0.00$", ""]
    # el2n is 50 and 60, random 33.33 and 40: the differences are 16.67 and 20, their standard error 1.67, and t at
    # 97.5 % with one degree of freedom is 12.7062: 18.33 ± 21.18
    cells = {(row[0], row[1]): row for row in others}
    assert cells["0.125", "el2n"][2:4] == [r"$\mathbf{55.00} \pm 5.00$", r"$+18.33\ [-2.84, +39.51]$"]
    assert cells["0.125", "random"][2:4] == [r"$36.67 \pm 3.33$", ""]
    # the mean of a difference to all of the data: 55 - 85 and 36.67 - 85
    assert cells["0.125", "el2n"][4].startswith(r"$\mathbf{-30.00}\ [")
    assert cells["0.125", "random"][4].startswith(r"$-48.33\ [")
    # at the other ratio random is better, and its choice costs less: 0.1 of 4 seconds against 1 of 4
    assert [cells["0.50", name][2] for name in ("random", "el2n")] == [
        r"$\mathbf{75.00} \pm 5.00$",
        r"$65.00 \pm 5.00$",
    ]
    assert [cells["0.50", name][-1] for name in ("random", "el2n")] == [r"$\mathbf{2.5}\,\%$", r"$25.0\,\%$"]
    check(text)


def test_equals_are_bold_together() -> None:
    rows = body(summary_latex(summarise(RUNS, {}), dataset="digits"))[2:4]
    assert [row[5] for row in rows] == [r"$\mathbf{99.00} \pm 0.00$"] * 2


def test_one_seed_has_no_intervals_and_one_row_no_best() -> None:
    text = summary_latex(summarise([RUNS[0], RUNS[2]], {}), dataset="digits")
    _, full, only = body(text)
    assert (full[2], only[2], only[3]) == ("$90.00$", "$33.33$", "$-56.67$")
    assert r"\mathbf" not in text
    assert r"\caption{Small\_cnn on digits. Accuracies in \%, of one seed; differences in points; the best" in text
    check(text)


def test_each_model_and_each_further_data_set_has_a_table() -> None:
    runs = [replace(one, ood={"imagenet_a": one.accuracy / 10}) for one in RUNS]
    runs += [replace(one, model="swin") for one in RUNS]
    text = summary_latex(summarise(runs, {}), dataset="digits")
    captions = re.findall(r"\\caption\{(.+?)\. ", text)
    assert captions == [
        r"Small\_cnn on digits",
        r"Small\_cnn on imagenet\_a, trained on digits",
        "Swin on digits",
    ]
    labels = re.findall(r"\\label\{(.+?)\}", text)
    assert labels == ["tab:small-cnn-on-digits", "tab:small-cnn-on-imagenet-a-trained-on-digits", "tab:swin-on-digits"]
    assert r"0.125 & el2n & $\mathbf{5.50} \pm 0.50$ & $+1.83\ [-0.28, +3.95]$" in text
    check(text)


def hostile_table(name: str) -> str:
    runs = [replace(one, selector=name if one.selector == "el2n" else one.selector, model=name) for one in RUNS]
    return summary_latex(summarise([replace(one, ood={name: 0.5}) for one in runs], {}), dataset=name)


def test_hostile_names_are_shown_as_they_are() -> None:
    text = hostile_table(HOSTILE)
    check(text)
    shown = (
        r"a\&b\_c\%d\$e\#f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k{[}l]{*}\textless{}m\textgreater{}"
        r"\textbar{}n"
    )
    assert body(text)[2][1].startswith(shown)
    assert text.encode().decode() == text, "it can be written"


@given(st.text())
def test_any_name_leaves_the_table_a_table(name: str) -> None:
    check(hostile_table(name))
    assert "\n" not in escaped(name)


def test_a_compiler_takes_it(tmp_path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, ("pdflatex", "tectonic", "lualatex"))), None)
    if compiler is None:
        pytest.skip("there is no TeX here")
    hostile = HOSTILE.partition("\n")[0]
    (tmp_path / "summary.tex").write_text(hostile_table(hostile))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n\\begin{document}\n"
        "\\input{summary.tex}\n\\end{document}\n"
    )
    options: Sequence[str] = ["-interaction=nonstopmode", "-halt-on-error"] if "tectonic" not in compiler else []
    done = subprocess.run([compiler, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
