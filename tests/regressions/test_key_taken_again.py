"""A list of jobs that was read in pages left jobs out: those whose key had been submitted again after they had ended.

Cause: the new job took the place of the ended one in the table, and so stood before older jobs in the list, while
pages go on after the number in the order of submission.
"""

from engine_driver import Driver

from turnkeeper_trio import After, Never
from turnkeeper_trio._engine import queries


def test_a_job_that_takes_the_key_of_an_ended_one_is_listed_last_and_keeps_its_history():
    driver = Driver()
    first = driver.add("first", After(0), key="key")
    second = driver.add("second")
    (attempt,) = driver.begin()
    driver.end(attempt)
    again = driver.add("again", Never(), key="key")
    assert again is not first
    assert again.job_id == first.job_id

    def page(after):
        return driver.ask(queries.list_jobs, states=None, tags=None, after=after, limit=1).result()

    (one,) = page(None)
    (two,) = page(one.job_id)
    assert (one.job_id, two.job_id) == (second.job_id, again.job_id)
    assert page(two.job_id) == []
    assert len(driver.history(again)) == 1
