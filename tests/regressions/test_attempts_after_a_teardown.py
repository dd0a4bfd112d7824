"""An attempt that was reported after the scheduler had been torn down ended it with a ``KeyError``.

Cause: the step that notes the attempt on its run knew that the run had ended already, but the step that decides what
follows did not, and looked for the run among the active ones. And the record of that run said that its attempt had
never begun.
"""

from engine_driver import Driver, at

from turnkeeper_trio import After, Outcome
from turnkeeper_trio._engine.rows import AttemptResult
from turnkeeper_trio._engine.shutdown import end_all
from turnkeeper_trio._model.times import NEVER


def test_it_is_not_decided_about_again():
    driver = Driver()
    driver.add(schedule=After(0), stuck_after=100)
    driver.add(schedule=After(0))
    driver.add(schedule=After(3600))
    first, second = driver.begin(1)
    driver.advance(2)
    driver.shut_down(forced=True)
    end_all(driver.state, driver.now)
    driver.check()
    assert driver.books.interrupted == 2
    assert driver.books.pending == 1
    driver.end(first, value=1)
    driver.end(second, AttemptResult.RAISED, error=ValueError())
    assert driver.books.interrupted == 2
    for record in driver.history():
        assert record.outcome is Outcome.INTERRUPTED
        assert record.attempts == 1
        assert record.started_at == at(1)
        assert record.duration == 2
    assert driver.state.check_at == NEVER
