"""Signals against closed forms: frequency, share of set pixels, range, phase, scope."""

from __future__ import annotations

import re
import time
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter

from naslib_gennas.errors import SpecError
from naslib_gennas.proxy import signals
from naslib_gennas.proxy.presets import load_preset, parse_preset
from naslib_gennas.proxy.tasks import (
    SIGNALS,
    Dot,
    GDot,
    Noise,
    ProxyTask,
    Resize,
    Signal,
    Sin1D,
    Sin2D,
    Stage,
    Zero,
    register_signal,
)

SIZES = [(2, 3, 8, 8), (1, 1, 4, 4), (3, 50, 5, 9), (2, 7, 1, 1), (1, 2, 16, 2)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def peak(row: np.ndarray) -> float:
    """Frequency of the strongest component of a real vector, cycles per sample."""
    return np.fft.rfftfreq(len(row))[np.abs(np.fft.rfft(row)).argmax()]


@pytest.mark.parametrize("frequency", [0.125, 0.1875, 0.25, 0.375, 0.4375])
def test_sin1d_has_its_frequency_along_one_axis(frequency):
    maps = signals.sin1d((2, 4, 64, 64), [frequency], seeded()).numpy()
    axes = set()
    for wave in maps.reshape(-1, 64, 64):
        along_x, along_y = np.ptp(wave, axis=1).max() > 1e-3, np.ptp(wave, axis=0).max() > 1e-3
        assert along_x != along_y
        axes.add(along_x)
        assert peak(wave[0] if along_x else wave[:, 0]) == pytest.approx(frequency)
    assert axes == {True, False}


def test_sin1d_draws_x_y_sine_and_cosine_once_before_a_refill():
    maps = signals.sin1d((1, 40, 32, 32), signals.band_frequencies("high"), seeded())[0].numpy()
    along_x = sum(np.ptp(wave, axis=0).max() < 1e-3 for wave in maps)
    assert along_x == 20  # all of 10 frequencies x {x, y} x {sine, cosine}


@pytest.mark.parametrize("pair", [(0.125, 0.25), (0.0625, 0.4375), (0.25, 0.25)])
def test_sin2d_has_all_pairs_and_their_flips(pair):
    maps = signals.sin2d((1, 16, 64, 64), list(pair), seeded())[0].numpy()
    found = []
    for wave in maps:
        rows, columns = np.unravel_index(np.abs(np.fft.fft2(wave)).argmax(), wave.shape)
        fy, fx = np.fft.fftfreq(64)[rows], np.fft.fftfreq(64)[columns]
        found.append((fx, fy) if fx > 0 else (-fx, -fy))
    expected = [(fx, sign * fy) for fx in pair for fy in pair for sign in (1, -1) for _ in ("sine", "cosine")]
    assert sorted(found) == sorted(expected)


def test_waves_are_drawn_without_replacement_per_image():
    frequencies = [k / 64 for k in range(1, 31)]
    maps = signals.sin1d((5, 120, 64, 64), frequencies, seeded()).numpy()
    expected = sorted((axis, f) for axis in "xy" for f in frequencies for _ in ("sine", "cosine"))
    orders = set()
    for image in maps:
        found = []
        for wave in image:
            along_x = np.ptp(wave, axis=1).max() > 1e-3
            found.append(("x", peak(wave[0])) if along_x else ("y", peak(wave[:, 0])))
        orders.add(tuple(found))
        assert sorted(found) == expected
    assert len(orders) == 5


@pytest.mark.parametrize("draw", [signals.sin1d, signals.sin2d])
def test_waves_stay_in_range_and_phases_are_uniform(draw):
    maps = draw((500, 4, 8, 8), [0.25], seeded()).double().numpy()
    assert np.abs(maps).max() <= 1
    assert maps.min() < -0.99 and maps.max() > 0.99
    start = maps[:, :, 0, 0].ravel()  # sin of a uniform angle: arcsine law
    assert stats.kstest(start, stats.arcsine(loc=-1, scale=2).cdf).pvalue > 1e-3


def test_phase_of_each_map_is_uniform_on_the_circle():
    """The analytic signal of a wave of known frequency gives its phase."""
    wave = signals.sin1d((1000, 1, 16, 16), [0.25], seeded(1)).double().numpy()[:, 0]
    along_x = np.ptp(wave, axis=2).max(axis=1) > 1e-3
    rows = np.where(along_x[:, None], wave[:, 0, :], wave[:, :, 0])
    phases = np.angle(np.fft.rfft(rows)[:, 4]) % (2 * np.pi)
    assert stats.kstest(phases / (2 * np.pi), "uniform").pvalue > 1e-3


def test_bands_are_ten_even_steps():
    for band, (low, high) in {"low": (0, 0.125), "medium": (0.125, 0.375), "high": (0.375, 0.5)}.items():
        values = signals.band_frequencies(band)
        assert len(values) == 10
        assert np.allclose(values, low + (high - low) / 10 * np.arange(10))


BANDS = {"l": (0, 0.125), "m": (0.125, 0.375), "h": (0.375, 0.5)}


def table_1(name, size, stage=1):
    """Maps (b, c, size, size) of a cell of the paper's Table 1, as a regression gets them."""
    task = load_preset(f"paper-stage{stage}-{name}").task
    images = torch.randn(16, 3, 32, 32, generator=seeded(5))
    return task.stages[stage - 1].target(images, size, seeded(6)).double().numpy()


def power_by_frequency(maps, axis):
    """(frequencies, mean power at each along ``axis``, of all maps together, sum 1), by a tapered FFT."""
    size = maps.shape[axis]
    taper = np.hanning(size + 2)[1:-1]
    shape = [1] * 4
    shape[axis] = size
    spectrum = np.abs(np.fft.rfft(maps * taper.reshape(shape), axis=axis)) ** 2
    power = spectrum.mean(axis=tuple(set(range(4)) - {axis}))
    return np.fft.rfftfreq(size), power / power.sum()


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("axis", [2, 3])
def test_table_1s_bands_of_sin2d_have_their_power_where_they_should(band, axis):
    low, high = BANDS[band]
    frequencies, power = power_by_frequency(table_1(f"sin2d-{band}", 128), axis)
    inside = (frequencies >= low - 2 / 128) & (frequencies <= high + 2 / 128)
    assert power[inside].sum() > 0.999
    thirds = np.array_split(power[inside], 3)
    assert all(part.sum() > 0.15 for part in thirds)  # all over the band


@pytest.mark.parametrize("band", BANDS)
def test_table_1s_bands_of_sin1d_have_their_power_where_they_should(band):
    low, high = BANDS[band]
    maps = table_1(f"sin1d-{band}", 128)
    along_x = np.ptp(maps, axis=3).max(axis=2) > 1e-3
    along_y = np.ptp(maps, axis=2).max(axis=2) > 1e-3
    assert not (along_x & along_y).any()
    for axis, chosen in ((3, along_x), (2, along_y)):
        frequencies, power = power_by_frequency(maps[chosen][:, None], axis)
        inside = (frequencies >= low - 2 / 128) & (frequencies <= high + 2 / 128)
        assert power[inside].sum() > 0.999
    if band != "l":  # its lowest frequency is 0
        assert (along_x | along_y).all()
    assert 0.45 < along_x.sum() / (along_x | along_y).sum() < 0.55


@pytest.mark.parametrize("kind", ["sin1d", "sin2d"])
def test_on_the_grid_of_a_regression_the_bands_still_lie_in_order(kind):
    """8 x 8 pixels tell eighths of a cycle apart."""
    centres = {}
    for band in BANDS:
        spectra = [power_by_frequency(table_1(f"{kind}-{band}", 8), axis) for axis in (2, 3)]
        centres[band] = np.mean([frequencies @ power for frequencies, power in spectra])
    assert centres["l"] < centres["m"] < centres["h"]


@pytest.mark.parametrize("name, share", [("dot50", 0.5), ("dot100", 1.0)])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_table_1s_dots_have_their_density(name, share, stage):
    maps = table_1(name, 8, stage)
    assert set(np.unique(maps)) <= {-1.0, 0.0, 1.0}
    assert ((maps != 0).sum(axis=(2, 3)) == share * 64).all()
    assert abs((maps == 1).mean() / share - 0.5) < 0.02


@pytest.mark.parametrize("name", ["gdot50", "gdot100"])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_table_1s_gaussian_dots_have_their_maximum_of_one(name, stage):
    maps = table_1(name, 8, stage)
    assert np.allclose(np.abs(maps).max(axis=(2, 3)), 1, atol=1e-6) and np.abs(maps).max() <= 1 + 1e-6
    frequencies, power = power_by_frequency(maps, 3)
    assert frequencies @ power < 0.15  # smooth, where dots of every pixel are white: 1/4


def test_table_1s_resize_spans_the_range_and_zero_is_zero():
    maps = table_1("resize", 8)
    assert maps.min() == pytest.approx(-1) and maps.max() == pytest.approx(1)
    assert not table_1("zero", 8).any()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.609375, 1.0])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 1)])
def test_dot_sets_exactly_its_share(fraction, size):
    h, w = size
    maps = signals.dot((3, 6, h, w), fraction, seeded())
    assert set(maps.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert (maps != 0).sum(dim=(2, 3)).unique().tolist() == [round(fraction * h * w)]


def test_dot_signs_and_places_are_even():
    maps = signals.dot((200, 20, 8, 8), 0.5, seeded()).numpy()
    total = int((maps != 0).sum())
    assert stats.binomtest(int((maps > 0).sum()), total).pvalue > 1e-3
    counts = (maps != 0).sum(axis=(0, 1)).ravel()
    # without replacement the counts vary less than independent draws, by (1 - 1/2) * 64/63
    statistic = ((counts - counts.mean()) ** 2 / counts.mean()).sum() / (0.5 * 64 / 63)
    assert 1e-3 < stats.chi2.sf(statistic, 63) < 1 - 1e-3


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 2, 5, 12), (1, 2, 3, 2), (1, 1, 1, 1), (1, 1, 32, 32)])
@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_gdot_equals_scipys_gaussian_filter(shape, fraction):
    dots = signals.dot(shape, fraction, seeded(3)).double().numpy()
    smooth = gaussian_filter(dots, sigma=(0, 0, 1, 1), mode="reflect")
    largest = np.abs(smooth).max(axis=(2, 3), keepdims=True)
    expected = np.divide(smooth, largest, out=np.zeros_like(smooth), where=largest > 0)
    assert np.allclose(signals.gdot(shape, fraction, seeded(3)).numpy(), expected, atol=1e-5)


def test_gdot_without_dots_is_zero():
    assert not signals.gdot((1, 2, 8, 8), 0.0, seeded()).any()


def test_resize_spans_the_range_and_picks_real_colours():
    images = torch.randn(4, 3, 32, 32, generator=seeded(5)) * 3 + 7
    maps = signals.resize((4, 20, 8, 8), images, seeded())
    small = images[:, :, ::4, ::4]  # nearest neighbour by a whole factor
    scaled = (small - small.min()) / (small.max() - small.min()) * 2 - 1
    assert scaled.min() == -1 and scaled.max() == 1
    picks = set()
    for channel in range(20):
        matches = [c for c in range(3) if torch.allclose(maps[:, channel], scaled[:, c], atol=1e-6)]
        assert len(matches) == 1
        picks.add(matches[0])
    assert picks == {0, 1, 2}
    assert maps.min().item() == pytest.approx(-1) and maps.max().item() == pytest.approx(1)


def test_resize_of_constant_images_is_finite():
    assert torch.isfinite(signals.resize((2, 4, 8, 8), torch.full((2, 3, 16, 16), 5.0), seeded())).all()


def test_zero_and_noise():
    assert not signals.zero((2, 3, 4, 5)).any()
    sample = signals.noise((10, 10, 16, 16), seeded()).numpy().ravel()
    assert stats.kstest(sample, "norm").pvalue > 1e-3


ALL = [
    Sin1D(frequencies="low"),
    Sin2D(frequencies="high"),
    Dot(fraction=0.5),
    GDot(fraction=0.5),
    Resize(),
    Zero(),
    Noise(),
]


@pytest.mark.parametrize("signal", ALL, ids=lambda s: s.kind)
@pytest.mark.parametrize("shape", SIZES)
def test_any_shape(signal, shape):
    images = torch.randn(shape[0], 3, 16, 16, generator=seeded(1))
    maps = signal.maps(shape, images, seeded())
    assert tuple(maps.shape) == shape
    assert maps.dtype == torch.float32
    assert torch.isfinite(maps).all()


@pytest.mark.parametrize("signal", ALL, ids=lambda s: s.kind)
def test_same_seed_same_maps_and_no_global_rng(signal):
    images = torch.randn(4, 3, 16, 16, generator=seeded(1))
    before = torch.get_rng_state()
    first, again, other = (signal.maps((4, 8, 8, 8), images, seeded(s)) for s in (7, 7, 8))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (signal.kind == "zero")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", [Sin1D, Sin2D, Dot, GDot, Noise])
def test_local_maps_differ_and_global_ones_are_shared(kind):
    extra = {"frequencies": "high"} if kind in (Sin1D, Sin2D) else {}
    images = torch.zeros(4, 3, 16, 16)
    local = Stage(channels=6, signals=[kind(**extra)]).target(images, 8, seeded())
    shared = Stage(channels=6, signals=[kind(scope="global", **extra)]).target(images, 8, seeded())
    assert local.shape == shared.shape == (4, 6, 8, 8)
    assert all(not torch.equal(local[0], local[i]) for i in range(1, 4))
    assert all(torch.equal(shared[0], shared[i]) for i in range(1, 4))


def test_a_target_is_the_level_weighted_sum():
    images = torch.randn(2, 3, 16, 16, generator=seeded(1))
    stage = Stage(channels=5, signals=[Dot(level=2.0), Noise(level=0.5, scope="global")])
    generator = seeded(4)
    expected = 2 * signals.dot((2, 5, 4, 4), 1.0, generator) + 0.5 * signals.noise((1, 5, 4, 4), generator)
    assert torch.allclose(stage.target(images, 4, seeded(4)), expected)


def test_an_unused_stage_has_no_target():
    assert Stage().target(torch.zeros(2, 3, 8, 8), 4, seeded()) is None


def test_a_task_is_built_in_milliseconds():
    combo = [Sin1D(frequencies="high"), Sin2D(frequencies="medium"), Dot(), Resize(), GDot()]
    task = ProxyTask(stages=[Stage(signals=combo)] * 3)
    images = torch.randn(16, 3, 32, 32, generator=seeded())
    seconds = []
    for seed in range(5):
        started = time.perf_counter()
        task.materialise(images, 8, seeded(seed))
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.25  # the published code needs seconds


@pytest.fixture
def stripes(monkeypatch):
    """A signal of one's own, registered for one test."""
    monkeypatch.setattr(SIGNALS, "_entries", dict(SIGNALS._entries))

    @register_signal("rows of +1 and -1")
    class Stripes(Signal):
        kind: Literal["stripes"] = "stripes"
        width: int = 1

        def draw(self, shape, images, generator):
            rows = torch.arange(shape[2]) // self.width % 2 * 2.0 - 1
            return rows[:, None].expand(shape)

    return Stripes


PRESET = "name: mine\ntask:\n  stages: [{}, {}, {channels: 2, signals: [{kind: stripes, width: 2, level: 0.5}]}]\n"


def test_a_signal_of_ones_own_is_named_in_presets(stripes):
    preset = parse_preset(PRESET, "mine.yaml")
    (signal,) = preset.task.stages[2].signals
    assert signal == stripes(width=2, level=0.5) and parse_preset(preset.to_yaml(), "again") == preset
    wider = parse_preset(PRESET.replace("width: 2", "width: 3"), "mine.yaml")
    assert preset.digest() != wider.digest()
    target = preset.materialise("noise", seeded()).targets[2]
    assert target[0, 0, :, 0].tolist() == [-0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5, 0.5]
    assert "stripes" in SIGNALS.names() and dict(SIGNALS.items())["stripes"].description == "rows of +1 and -1"
    with pytest.raises(ValueError, match="signal 'stripes' is already registered"):
        register_signal("again")(stripes)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        ("{kind: stripe}", "task.stages.2.signals.0: no signal is called 'stripe'; did you mean stripes?"),
        ("{kind: stripes, width: wide}", "task.stages.2.signals.0.width: "),
        (
            "{kind: dot, fraction: 2}",
            "task.stages.2.signals.0.fraction: Input should be less than or equal to 1, got 2",
        ),
        ("{kind: dot, fractoin: 1}", "task.stages.2.signals.0.fractoin: there is no such key"),
        ("{width: 2}", "task.stages.2.signals.0: a signal is a mapping with the key kind"),
        ("dot", "task.stages.2.signals.0: a signal is a mapping with the key kind, got 'dot'"),
    ],
)
def test_signals_that_are_wrong_are_named_with_their_place(stripes, signal, message):
    with pytest.raises(SpecError) as caught:
        parse_preset(PRESET.replace("{kind: stripes, width: 2, level: 0.5}", signal), "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml: {message}") and "\n" not in str(caught.value)


def test_signals_of_images_are_not_for_recurrent_networks():
    text = load_preset("rnn-fast").to_yaml()
    with pytest.raises(SpecError, match="task.targets.0: the signal is made of images, which recurrent networks"):
        parse_preset(re.sub(r"(targets:\n *- )", r"\1kind: resize\n  - ", text), "mine.yaml")
