from types import SimpleNamespace

from callbacks.bad_files import BadFiles


class Module:
    def __init__(self):
        self.logged = []

    def log(self, name, value):
        self.logged.append((name, value))


def a_trainer(loader, is_first=True, step=0):
    return SimpleNamespace(train_dataloader=loader, is_global_zero=is_first, global_step=step, log_every_n_steps=2)


def run(trainer, module, bad_at):
    """Five steps; `bad_at` names the files that are found bad in each."""
    callback = BadFiles()
    callback.on_train_start(trainer, module)
    for step in range(1, 6):
        trainer.global_step = step
        trainer.train_dataloader.bad_files |= dict.fromkeys(bad_at.get(step, []), "is missing")
        callback.on_train_batch_end(trainer, module, None, None, step - 1)


def test_each_is_named_once_and_all_are_counted(capsys):
    module = Module()
    run(a_trainer(SimpleNamespace(bad_files={})), module, {2: ["a.mp4"], 3: ["b.mp4"]})
    said = capsys.readouterr().err.splitlines()
    assert said == [f"data: {name}.mp4 is set aside and replaced by other videos: is missing" for name in "ab"]
    assert module.logged == [("data/bad_files", 1.0), ("data/bad_files", 2.0)]


def test_what_was_known_before_is_counted_alone(capsys):
    module = Module()
    run(a_trainer(SimpleNamespace(bad_files={"a": "is missing", "b": "is missing"}), step=8), module, {})
    assert capsys.readouterr().err.splitlines() == ["data: 2 files stay set aside: a, b"]
    assert module.logged == [("data/bad_files", 2.0)] * 2


def test_what_is_found_before_the_first_step_is_named_with_it(capsys):
    run(a_trainer(SimpleNamespace(bad_files={"a": "is missing"})), Module(), {})
    assert capsys.readouterr().err.splitlines() == ["data: a is set aside and replaced by other videos: is missing"]


def test_the_other_processes_say_nothing(capsys):
    run(a_trainer(SimpleNamespace(bad_files={}), is_first=False), Module(), {1: ["a"]})
    assert capsys.readouterr().err == ""


def test_data_that_tell_nothing(capsys):
    module, callback, trainer = Module(), BadFiles(), a_trainer(object())
    callback.on_train_start(trainer, module)
    callback.on_train_batch_end(trainer, module, None, None, 0)
    assert module.logged == [] and capsys.readouterr().err == ""
