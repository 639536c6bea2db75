"""Trainings that are recorded without being asked: `wh.autolog()` and what each library adds to it.

    switching      `autolog`: which libraries, which options, on and off
    libraries      the table of libraries: which module of theirs belongs to which file here
    arrivals       hears when a module of theirs has been imported
    hearing        what is switched on, and which threads are within a training
    patches        what stands in place of a function, and what stood there
    fits           a training as it is recorded: its run, its number, what is said of it
    sklearn, …     one file a library

How a library plugs in: a line in `libraries`, and a file here with

    def arrived(module: Any, patches: Patches) -> None:
        \"\"\"Put hooks into a module of the library, which has just been imported or was there.\"\"\"
        patches.training(module.Trainer, "fit", on_fit, title=title_of)

    def title_of(call: Call) -> str:                     # None: this one isn't recorded, nor what it calls
        return type(call.owner).__name__

    def on_fit(call: Call, fit: Fit) -> Training:
        fit.log_params({"lr": call.owner.lr})
        returned = yield {"callbacks": [...]}      # the call, with keyword arguments changed; or `yield None`
        fit.log_metrics({"loss": returned.loss}, step=3)

`arrived` is called once for each module in the line, and tells them apart by `module.__name__`; the file
imports nothing of the library itself, since the library is only half there when it is first needed.
A training hook is only called for the outermost call: what a library calls within it is let through, in the
threads of joblib as well. What follows its `yield` runs when the call returned; if it raised, the fit is
recorded as failed with its traceback. An error in a hook becomes one `RecordWarning`, and the call goes on.
`patches.watching(owner, name, hook)` is for calls that are no trainings (a score, a prediction); its hook is
not called within a training unless `within=True`.
"""

from whence.integrations.autologging.switching import autolog

__all__ = ["autolog"]
