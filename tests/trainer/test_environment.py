"""What a run directory says of the machine."""

import subprocess
import sys

import numpy as np
import pytest

SMALL = "from tf_metammf.trainer.runs.environment import peak_memory_bytes; print(peak_memory_bytes())"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of the starting process is all there is")
def test_peak_memory_is_that_of_the_process_and_not_of_the_one_that_started_it():
    ballast = np.ones(2**27, np.float32)
    ran = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, check=True)
    assert 2**23 < int(ran.stdout) < ballast.nbytes
