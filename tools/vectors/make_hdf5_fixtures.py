"""Makes tests/fixtures/hdf5/*.h5 for hdf5_read_test.c. Every value follows a formula that the test
computes again, so nothing but the formula is the expectation. Run: python make_hdf5_fixtures.py OUT

Versions used last: h5py 3.16.0, HDF5 2.0.0, NumPy 2.4.6.
"""

import pathlib
import sys

import h5py
import numpy as np

ROWS, CHUNK = 37, 8
ROW = np.dtype([("time", "<f8"), ("angles", "<f8", (3,)), ("emg", "<f4", (4,))])
SWAPPED = np.dtype([("emg", ">f4", (4,)), ("flag", "u1"), ("angles", ">f8", (3,)),
                    ("time", ">f8")])


def rows(dtype, count=ROWS):
    """time = i/2, angles[j] = 10 i + j, emg[j] = i - j/4, flag = i mod 251."""
    index = np.arange(count)
    out = np.zeros(count, dtype)
    out["time"] = index / 2
    out["angles"] = 10 * index[:, None] + np.arange(3)
    out["emg"] = index[:, None] - np.arange(4) / 4
    if "flag" in dtype.names:
        out["flag"] = index % 251
    return out


def matrix(count, columns, dtype):
    """value[i][j] = i * columns + j, wrapped to the type."""
    return np.arange(count * columns).astype(dtype).reshape(count, columns)


FILTERS = {
    "plain": {},
    "deflate": {"compression": "gzip"},
    "shuffle_deflate": {"compression": "gzip", "shuffle": True},
    "fletcher": {"fletcher32": True},
    "all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "shuffle_lzf_fletcher": {"compression": "lzf", "shuffle": True, "fletcher32": True},
}


def tables(file):
    group = file.create_group("emg2pose")
    group.attrs["side"] = "right"
    group.attrs["user"] = "α-user"
    group.attrs["fixed"] = np.bytes_("fixed text")
    group.attrs["sample_rate"] = 2000.0
    group.attrs["num_channels"] = 16
    group.attrs["big"] = np.array(2**62 + 1, ">i8")
    group.attrs["vector"] = np.arange(5, dtype="<f4")
    group.attrs["names"] = ["a", "bc", ""]
    group.create_dataset("timeseries", data=rows(ROW))
    group.create_dataset("swapped", data=rows(SWAPPED))
    group["soft"] = h5py.SoftLink("/emg2pose/timeseries")
    group["relative"] = h5py.SoftLink("timeseries")
    group["circle"] = h5py.SoftLink("/emg2pose/circle")
    group["outside"] = h5py.ExternalLink("other.h5", "/x")
    for name, options in FILTERS.items():
        group.create_dataset(name, data=rows(ROW), chunks=(CHUNK,), **options)
    file.create_dataset("grid", data=matrix(11, 7, "<i2"), chunks=(4, 3), compression="gzip")
    file.create_dataset("wide", data=matrix(11, 7, ">f4"), chunks=(4, 7))
    file.create_dataset("halves", data=matrix(9, 5, "<f2"))
    file.create_dataset("scalar", data=np.float64(4.5))
    file.create_dataset("words", data=["zero", "one", "", "three"], dtype=h5py.string_dtype())
    hole = file.create_dataset("hole", (32, 2), "<f4", chunks=(8, 2), fillvalue=-1.5)
    hole[16:24] = matrix(8, 2, "<f4")
    file.create_dataset("never", (5,), "<i4", fillvalue=7)
    file.create_dataset("nested", data=np.array(
        [((i, -i), i * 3) for i in range(6)],
        np.dtype([("in", [("a", "<i4"), ("b", "<i2")]), ("c", "<u2")])))
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    data = np.arange(10, dtype="<i4") * 3
    made = h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I32LE,
                           h5py.h5s.create_simple((10,)), compact)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


def indexes(file):
    """One data set per index of layout version 4; value[i] = 3 i, [i][j] = i * columns + j."""
    values = np.arange(100, dtype="<i4") * 3
    file.create_dataset("single", data=values, chunks=(100,))
    file.create_dataset("single_deflate", data=values, chunks=(100,), compression="gzip")
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((7,))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    made = h5py.h5d.create(file.id, b"implicit", h5py.h5t.STD_I32LE,
                           h5py.h5s.create_simple((100,)), early)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    for suffix, options in (("", {}), ("_deflate", {"compression": "gzip"})):
        file.create_dataset("fixed" + suffix, data=values, chunks=(7,), **options)
        file.create_dataset("extensible" + suffix, data=values, chunks=(1,), maxshape=(None,),
                            **options)
        file.create_dataset("tree" + suffix, data=matrix(20, 12, "<i4"), chunks=(2, 5),
                            maxshape=(None, None), **options)
        file.create_dataset("columns" + suffix, data=matrix(20, 12, "<i4"), chunks=(3, 5),
                            maxshape=(24, None), **options)
    file.create_dataset("paged", data=np.arange(1500, dtype="<i2") * 3, chunks=(1,))
    file.create_dataset("deep", data=matrix(30, 20, "<i2"), chunks=(1, 1), maxshape=(None, None))
    hole = file.create_dataset("far_hole", (4000,), "<i2", chunks=(1,), maxshape=(None,),
                               fillvalue=-5)
    hole[3000:3010] = np.arange(10) * 3
    room = file.create_dataset("room", (20, 12), "<i4", chunks=(3, 5), maxshape=(60, 50))
    room[...] = matrix(20, 12, "<i4")


def dense(file):
    """More links and attributes than an object header keeps; `t7` is the data set to find."""
    group = file.create_group("many")
    for i in range(60):
        group.create_dataset(f"t{i}", data=np.array([i, 2 * i], "<i4"))
    for i in range(40):
        group.attrs[f"a{i}"] = float(i) / 4
    group.attrs["text"] = "far away"


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with h5py.File(out / "early.h5", "w", libver="earliest") as file:
        tables(file)
    with h5py.File(out / "v108.h5", "w", libver=("v108", "v108")) as file:
        tables(file)
    with h5py.File(out / "user_block.h5", "w", userblock_size=1024, libver="earliest") as file:
        file.create_group("emg2pose").create_dataset("timeseries", data=rows(ROW), chunks=(CHUNK,))
    (out / "user_block.h5").open("r+b").write(b"user block" * 10)
    with h5py.File(out / "v110.h5", "w", libver=("v110", "v110")) as file:
        indexes(file)
    with h5py.File(out / "newest.h5", "w", libver="latest") as file:
        tables(file)
    with h5py.File(out / "dense.h5", "w", libver=("v110", "v110")) as file:
        dense(file)


if __name__ == "__main__":
    main()
