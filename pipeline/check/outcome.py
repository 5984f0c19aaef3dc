"""Outcome of one step for one image: the same type for tests, policies, layers, scan and comparison."""

from dataclasses import dataclass

import dagger
from dagger import dag

from pipeline.errors import ChecksFailedError
from pipeline.variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Files and failures of one step for one image."""

    step: str
    """Function of the command line that does the same."""
    variant: Variant
    files: dagger.Directory | None = None
    failures: tuple[str, ...] = ()
    """Each failed test, policy or finding."""
    hint: str = ""
    """Where the reader finds more about the failures."""
    seconds: float = 0
    error: str = ""
    """Why the step could not run to its end; failed tests are failures instead."""
    skipped: str = ""

    def passed_files(self) -> dagger.Directory:
        """Return the files of a step without failures.

        Raises:
            ChecksFailedError: something failed; every failure is listed.

        """
        if self.failures or self.files is None:
            raise ChecksFailedError.gathered(
                f"{self.step} {self.variant.value}", self.failures or (self.error or self.skipped,), self.hint
            )
        return self.files

    def any_files(self) -> dagger.Directory:
        """Return the files, whatever failed."""
        return self.files or dag.directory()
