"""``iec104mm2ss simulate`` hands its arguments to the simulator."""

from app.commands import simulate


def test_help_is_given_under_its_own_name(capsys):
    assert simulate.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: iec104mm2ss simulate ")


def test_a_wrong_argument_is_one_line_and_exit_code_2(capsys):
    assert simulate.main(["--port", "none"]) == 2
    assert capsys.readouterr().err == (
        "iec104mm2ss simulate: argument --port: 'none' is no such number; accepted: 1..65535;"
        " -h shows what is possible\n"
    )
