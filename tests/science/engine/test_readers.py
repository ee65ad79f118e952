import threading

import pytest
from fairweather.core.science.imagery.readers import OpenFiles, Readers


class File:
    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


@pytest.fixture
def opened():
    return []


@pytest.fixture
def open_file(opened):
    def open_file():
        opened.append(File())
        return opened[-1]

    return open_file


def test_a_file_is_opened_once_and_lent_again(opened, open_file):
    files = OpenFiles()
    for _ in range(3):
        with files.lend("a", open_file) as file:
            assert not file.closed
    assert len(opened) == 1
    files.close()
    assert opened[0].closed


def test_two_at_a_time_get_two_files(opened, open_file):
    files = OpenFiles()
    with files.lend("a", open_file) as first, files.lend("a", open_file) as second:
        assert first is not second
    with files.lend("a", open_file) as third:
        assert third in (first, second)
    assert len(opened) == 2


def test_the_one_used_longest_ago_is_closed(opened, open_file):
    files = OpenFiles(most=2)
    for key in ("a", "b", "a", "c"):
        with files.lend(key, open_file):
            pass
    a, b, c = opened
    assert b.closed
    assert not a.closed
    assert not c.closed


def test_a_file_read_with_an_error_is_not_kept(opened, open_file):
    files = OpenFiles()
    with pytest.raises(OSError, match="broken"), files.lend("a", open_file):
        raise OSError("broken")
    assert opened[0].closed
    with files.lend("a", open_file):
        pass
    assert len(opened) == 2


def test_readers_work_in_threads_in_order_and_close_their_files(opened, open_file):
    names = set()

    def read(number):
        names.add(threading.current_thread().name)
        with readers.files.lend(number % 3, open_file):
            return number * number

    with Readers(4) as readers:
        assert list(readers.map(read, range(50))) == [number * number for number in range(50)]
    assert all(name.startswith("read") for name in names)
    assert all(file.closed for file in opened)
