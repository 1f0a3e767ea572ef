"""The detector's training: data, augmentation, assignment, metrics, and the network as exported."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="install posewatch[train] to run this")

from tracker.detector import Detector, bundled_model  # noqa: E402
from tracker.heads import Head, anchor_cells  # noqa: E402
from tracker.runtime import ModelError, create_session  # noqa: E402
from tracker.training.augment import Augmentation, augment, warp_boxes  # noqa: E402
from tracker.training.batches import SHAPES, Pass  # noqa: E402
from tracker.training.loss import assign, decode, detection_loss, distillation_loss  # noqa: E402
from tracker.training.metrics import evaluate_detections  # noqa: E402
from tracker.training.mixture import blend, calibrate  # noqa: E402
from tracker.training.network import STRIDES, YoloxNano, load_weights, write_onnx  # noqa: E402
from tracker.training.pseudo import PseudoSettings, label_frame  # noqa: E402
from tracker.training.pseudo import main as pseudo_main  # noqa: E402
from tracker.training.relative_steps import RelativeSteps  # noqa: E402
from tracker.training.samples import Sample, read_samples, split  # noqa: E402

SIDE = 128


@pytest.fixture
def data(tmp_path) -> Path:
    """Two sets: `street`, five scenes with a mirrored and a re-encoded copy each, and sequences of falls."""
    random = np.random.default_rng(5)
    for group in ("street", "falls"):
        (tmp_path / group / "images").mkdir(parents=True)
        (tmp_path / group / "labels").mkdir()

    def write(group: str, name: str, image: np.ndarray, quality: int = 95) -> None:
        cv2.imwrite(
            str(tmp_path / group / "images" / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        (tmp_path / group / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5\n")

    for scene in range(10):
        image = cv2.resize(random.integers(0, 255, (6, 7, 3)).astype(np.uint8), (140, 120))
        write("street", f"{scene}", image)
        write("street", f"{scene + 50}", np.ascontiguousarray(image[:, ::-1]))
        write("street", f"{scene + 90}", image, quality=40)
    for sequence in range(1, 7):
        for camera in (0, 1):
            for frame in range(3):
                image = cv2.resize(random.integers(0, 255, (6, 7, 3)).astype(np.uint8), (140, 120))
                write("falls", f"fall-{sequence:02}-cam{camera}-rgb-{frame:03}", image)
    return tmp_path


def test_the_split_keeps_copies_and_sequences_together(data):
    samples = read_samples(data)
    first, second = split(samples, share=0.3, seed=1)

    def source(sample):
        name = sample.image.stem
        return (
            name[:7] if sample.group == "falls" else str(int(name) % 10 if int(name) < 90 else int(name) - 90)
        )

    assert len(first) + len(second) == len(samples) == 66
    for group in ("street", "falls"):
        sources = [{source(sample) for sample in part if sample.group == group} for part in (first, second)]
        assert sources[0]
        assert sources[1]
        assert not sources[0] & sources[1]
    assert split(samples, share=0.3, seed=1) == (first, second)


def test_a_bad_label_row_is_named(data):
    label = data / "street" / "labels" / "3.txt"
    label.write_text("0 0.5 0.5 0.1 0.1\n0 0.5 half 0.1 0.1\n")

    with pytest.raises(ValueError, match=r"3\.txt:2: expected `class cx cy w h`, got '0 0\.5 half"):
        read_samples(data)
    label.write_text("0 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(ValueError, match=r"3\.txt:2: class 7: expected 0 \(person\) or -1 \(unsure\)"):
        read_samples(data)
    with pytest.raises(ValueError, match="no images"):
        read_samples(data / "street" / "labels")


def test_augmented_boxes_follow_the_person(tmp_path):
    """A bright disc stays where its box says, however the image is turned, mirrored or put in a mosaic."""
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "labels").mkdir()
    image = np.zeros((150, 200, 3), np.uint8)
    cv2.circle(image, (60, 90), 24, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "set" / "images" / "disc.png"), image)
    (tmp_path / "set" / "labels" / "disc.txt").write_text(f"0 {60 / 200} {90 / 150} {48 / 200} {48 / 150}\n")
    (sample,) = read_samples(tmp_path)

    seen = 0
    for seed in range(60):
        settings = Augmentation(mosaic=0.0, turn=1.0, empty=0.0)
        made = augment(sample, [sample], (160, SIDE), settings, np.random.default_rng(seed))
        assert made.image.shape == made.clean.shape == (SIDE, 160, 3)
        for left, top, right, bottom in made.boxes:
            if min(left, top) > 1 and right < 159 and bottom < SIDE - 1:
                x, y = int((left + right) / 2), int((top + bottom) / 2)
                centre = made.clean[y - 2 : y + 3, x - 2 : x + 3].mean()
                corner = made.clean[int(top) : int(top) + 2, int(left) : int(left) + 2].mean()
                assert centre > corner + 20
                seen += 1
    assert seen > 10
    mosaic = augment(sample, [sample], (160, SIDE), Augmentation(mosaic=1.0), np.random.default_rng(0))
    assert mosaic.image.shape == (SIDE, 160, 3)
    assert ((mosaic.boxes >= 0) & (mosaic.boxes <= [160, SIDE] * 2)).all()


def test_an_empty_view_shows_what_lies_beside_the_people_and_is_not_taught(tmp_path):
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "labels").mkdir()
    for name, left in (("beside", 60), ("filled", 90)):
        image = np.zeros((150, 200, 3), np.uint8)
        image[:, left:] = 255
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{name}.png"), image)
    rows = {
        "beside": "0 0.65 0.5 0.7 1.0",  # a third is free on the left
        "filled": "0 0.55 0.5 0.9 1.0",
    }
    for name, row in rows.items():
        (tmp_path / "set" / "labels" / f"{name}.txt").write_text(row + "\n")
    beside, filled = read_samples(tmp_path)

    def made(sample):
        settings = Augmentation(mosaic=0.0, turn=0.0, empty=1.0)
        return augment(sample, [sample], (SIDE, SIDE), settings, np.random.default_rng(1))

    assert len(made(beside).boxes) == 0
    assert made(beside).clean.max() < 200  # nothing of the person, who is white, only grey borders
    assert not made(beside).upright
    assert len(made(filled).boxes) == 1  # nothing beside the person: the image as it is


def test_only_what_was_not_turned_far_is_upright(data):
    sample = read_samples(data)[0]

    def made(**settings):
        changes = Augmentation(**settings, empty=0.0)
        return augment(sample, [sample], (SIDE, SIDE), changes, np.random.default_rng(4))

    assert made(turn=0.0).upright
    assert not made(turn=1.0).upright
    assert made(turn=0.0, mosaic=1.0).upright
    assert not made(turn=1.0, mosaic=1.0).upright


def test_a_pass_draws_sets_by_their_share_and_shows_the_teacher_what_it_knows(data):
    samples = read_samples(data)
    passes = [
        Pass(samples, shares={"falls": 0.5}, taught=("street",), batch=8, seed=3, number=1) for _ in range(2)
    ]

    first, again = (list(each.batches(workers)) for each, workers in zip(passes, (1, 3), strict=True))

    # 30 images of the street at 1, 36 falls at 0.5: the street is 62 % of a pass, a quarter is turned.
    taught = sum(len(batch.taught) for batch in first)
    assert sum(len(batch.images) for batch in first) == len(samples)
    assert 0.25 < taught / len(samples) < 0.62
    for one, other in zip(first, again, strict=True):
        assert (one.images.shape[3], one.images.shape[2]) in SHAPES
        assert one.clean.shape == (len(one.taught), *one.images.shape[1:])
        torch.testing.assert_close(one.images, other.images, rtol=0, atol=0)
        assert [boxes.tolist() for boxes in one.boxes] == [boxes.tolist() for boxes in other.boxes]


def test_a_quarter_turn_swaps_width_and_height():
    quarter = np.array([[0.0, -1.0, 100.0], [1.0, 0.0, 0.0]])

    turned = warp_boxes(np.array([[10, 20, 30, 80]], np.float32), quarter)

    np.testing.assert_allclose(turned, [[20, 10, 80, 30]], atol=1e-4)


def test_assignment_prefers_cells_that_see_the_person():
    cells = torch.from_numpy(anchor_cells(SIDE, SIDE, STRIDES))
    truth = torch.tensor([[20.0, 20.0, 60.0, 100.0], [90.0, 30.0, 110.0, 90.0]])
    predicted = torch.cat([cells[:, :2] * cells[:, 2:] - 4, cells[:, :2] * cells[:, 2:] + 12], dim=1)
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    good = [
        int(((centres - point).abs().sum(1) + 100 * (cells[:, 2] != 16)).argmin())
        for point in (torch.tensor([40.0, 60.0]), torch.tensor([100.0, 60.0]))
    ]
    predicted[good] = truth

    found = assign(predicted, torch.full((len(cells),), 0.5), truth, cells)

    owners = dict(zip(found.cells.tolist(), found.boxes.tolist(), strict=True))
    assert owners[good[0]] == 0
    assert owners[good[1]] == 1
    assert len(owners) == len(found.cells)  # no cell answers for two
    for cell, box in owners.items():
        x, y = centres[cell].tolist()
        left, top, right, bottom = truth[box].tolist()
        assert left - 2.5 * 32 < x < right + 2.5 * 32
        assert top - 2.5 * 32 < y < bottom + 2.5 * 32


def test_the_loss_falls_when_a_few_steps_are_taken():
    torch.manual_seed(0)
    network = YoloxNano()
    load_weights(network, bundled_model())
    cells = torch.from_numpy(anchor_cells(SIDE, SIDE, STRIDES))
    images = torch.rand(2, 3, SIDE, SIDE) * 255
    targets = [torch.tensor([[20.0, 20.0, 60.0, 100.0]]), torch.zeros(0, 4)]
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-4)
    losses = []
    for _ in range(20):
        loss = detection_loss(network(images), targets, cells)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.75 * losses[0]
    empty = detection_loss(network(images), [torch.zeros(0, 4)] * 2, cells)
    assert torch.isfinite(empty)


def test_an_unsure_region_asks_nothing_of_its_cells():
    cells = torch.from_numpy(anchor_cells(SIDE, SIDE, STRIDES))
    raw = torch.zeros(1, len(cells), 6)
    region = torch.tensor([[32.0, 32.0, 96.0, 96.0]])
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    inside = ((centres > 32) & (centres < 96)).all(1)

    def gradient(targets, unsure):
        leaf = raw.clone().requires_grad_()
        detection_loss(leaf, [targets], cells, [unsure]).backward()
        return leaf.grad[0, :, 4]

    nobody = gradient(torch.zeros(0, 4), region)
    assert (nobody[inside] == 0).all()
    assert (nobody[~inside] > 0).all()
    # A person who is known there is still learnt.
    assert (gradient(region, region)[inside] < 0).any()


def test_a_student_is_pulled_to_its_teacher_and_no_further():
    cells = torch.from_numpy(anchor_cells(SIDE, SIDE, STRIDES))
    generator = torch.Generator().manual_seed(2)
    teacher = torch.randn(2, len(cells), 6, generator=generator)
    student = (teacher + 0.5 * torch.randn(teacher.shape, generator=generator)).requires_grad_()
    optimizer = torch.optim.Adam([student], lr=0.02)
    start = distillation_loss(student, teacher, cells).item()

    for _ in range(100):
        optimizer.zero_grad()
        distillation_loss(student, teacher, cells).backward()
        optimizer.step()

    assert distillation_loss(teacher, teacher, cells).item() == pytest.approx(0, abs=1e-5)
    assert 0 <= distillation_loss(student, teacher, cells).item() < 0.5 * start


def test_steps_are_relative_to_the_weights_they_change():
    network = YoloxNano()
    load_weights(network, bundled_model())
    before = [value.detach().clone() for value in network.parameters()]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.0)
    scale = RelativeSteps(network)
    network(torch.rand(1, 3, 64, 64) * 255).square().mean().backward()

    scale.step(optimizer)

    for old, new in zip(before, network.parameters(), strict=True):
        if old.ndim == 4:
            size = old.square().mean(dim=(1, 2, 3)).sqrt()
            moved = (new.detach() - old).abs().amax(dim=(1, 2, 3))
            assert (moved <= 1.001e-2 * size + 1e-7).all()
            assert (moved > 0.5e-2 * size).float().mean() > 0.5  # and they do move


class TestPseudoLabels:
    """The bundled detector labels a portrait, also one that lies on its side."""

    @pytest.fixture
    def portrait(self):
        cbook = pytest.importorskip("matplotlib.cbook", reason="the portrait comes with matplotlib")
        with cbook.get_sample_data("grace_hopper.jpg") as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
        return cv2.copyMakeBorder(image, 40, 0, 150, 150, cv2.BORDER_CONSTANT, value=(90, 90, 90))

    @pytest.mark.parametrize("turn", [None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE])
    def test_a_person_is_found_whatever_way_up(self, portrait, turn):
        image = portrait if turn is None else cv2.rotate(portrait, turn)

        # One model has one view in which the person stands; with several, more witnesses can be asked for.
        people, _ = label_frame(image, [Detector()], PseudoSettings(people=1, witnesses=1))

        assert len(people) == 1
        width, height = people[0, 2:] - people[0, :2]
        rows, columns = image.shape[:2]
        assert width * height > 0.3 * rows * columns
        assert (height > width) == (turn is None)

    def test_videos_become_a_set_that_can_be_read(self, portrait, tmp_path, capsys):
        (tmp_path / "video").mkdir()
        path = str(tmp_path / "video" / "clip.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, portrait.shape[1::-1])
        for _ in range(20):
            writer.write(portrait)
        writer.release()
        out = tmp_path / "data" / "clips"
        arguments = ["--video", str(tmp_path / "video"), "--out", str(out), "--people", "1"]

        assert pseudo_main(arguments) == 0
        assert capsys.readouterr().out.strip() == "2"
        samples = read_samples(tmp_path / "data")
        assert [len(sample.boxes) for sample in samples] == [1, 1]
        assert all(isinstance(sample, Sample) and sample.group == "clips" for sample in samples)
        (tmp_path / "none").mkdir()
        assert pseudo_main(["--video", str(tmp_path / "none"), "--out", str(out)]) == 1
        assert "no videos" in capsys.readouterr().err


def test_a_mixture_lies_between_its_models():
    first, second = YoloxNano(), YoloxNano()

    mixture = blend(first, second, 0.25)

    triples = zip(mixture.parameters(), first.parameters(), second.parameters(), strict=True)
    for value, one, other in triples:
        torch.testing.assert_close(value.data, 0.75 * one.data + 0.25 * other.data)


@pytest.mark.parametrize(("label", "direction"), [("0 0.5 0.55 1.0 0.9", 1), ("0 0.05 0.05 0.1 0.1", -1)])
def test_calibration_makes_a_model_surer_where_it_is_right_and_less_where_it_is_not(
    tmp_path, label, direction
):
    cbook = pytest.importorskip("matplotlib.cbook", reason="the portrait comes with matplotlib")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = file.read()
    for folder, content in (("images", portrait), ("labels", label.encode())):
        (tmp_path / "set" / folder).mkdir(parents=True)
        suffix = "jpg" if folder == "images" else "txt"
        (tmp_path / "set" / folder / f"portrait.{suffix}").write_bytes(content)
    network = YoloxNano()
    load_weights(network, bundled_model())

    result = calibrate(network, read_samples(tmp_path), 0.85)

    pairs = zip(result.objectness_biases(), network.objectness_biases(), strict=True)
    for new, old in pairs:
        assert direction * (new - old).item() == pytest.approx(0.6, abs=0.05)
    images = torch.full((1, 3, 64, 64), 90.0)
    with torch.no_grad():
        difference = (result(images) - network(images))[..., 4]
    assert (direction * difference > 0.5).all()


def test_decoding_in_training_equals_decoding_in_the_product():
    from tracker.heads import HeadDecoder

    raw = torch.randn(1, len(anchor_cells(SIDE, SIDE, STRIDES)), 6)
    product = HeadDecoder(Head.YOLOX, STRIDES, SIDE, SIDE)(raw.numpy(), -np.inf)

    ours = decode(raw, torch.from_numpy(anchor_cells(SIDE, SIDE, STRIDES)))[0]

    np.testing.assert_allclose(ours.numpy(), product.boxes, rtol=1e-4, atol=1e-3)


def test_the_network_equals_the_model_it_was_loaded_from(tmp_path):
    network = YoloxNano()
    load_weights(network, bundled_model())
    images = torch.rand(1, 3, 416, 416, generator=torch.Generator().manual_seed(1)) * 255
    expected = create_session(bundled_model()).run(None, {"images": images.numpy()})[0][..., :6]

    with torch.no_grad():
        raw = network(images)
    raw[..., 4:] = raw[..., 4:].sigmoid()
    np.testing.assert_allclose(raw.numpy(), expected, atol=2e-3)

    write_onnx(network, tmp_path / "again.onnx", ["person"])
    session = create_session(tmp_path / "again.onnx")
    again = session.run(None, {"images": images.numpy()})[0]
    np.testing.assert_allclose(again, expected, atol=2e-3)
    wide = torch.rand(1, 3, 96, 160) * 255
    with torch.no_grad():
        raw = network(wide)
    raw[..., 4:] = raw[..., 4:].sigmoid()
    np.testing.assert_allclose(session.run(None, {"images": wide.numpy()})[0], raw.numpy(), atol=2e-3)
    assert Detector(tmp_path / "again.onnx").input_size == (416, 416)


def test_another_architecture_is_refused(tmp_path):
    other = tmp_path / "other.onnx"
    torch.onnx.export(
        torch.nn.Conv2d(3, 4, 3), (torch.zeros(1, 3, 8, 8),), str(other), dynamo=False, opset_version=17
    )
    with pytest.raises(ModelError, match="1 convolutions where YOLOX-nano has"):
        load_weights(YoloxNano(), other)
    other.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        load_weights(YoloxNano(), other)


class TestMetrics:
    TRUTH = np.array([[0, 0, 10, 20], [50, 50, 90, 60]], np.float32)

    def test_perfect_detections_score_one(self):
        metrics = evaluate_detections([self.TRUTH], [(self.TRUTH, np.array([0.9, 0.8], np.float32))])

        assert metrics.ap50 == metrics.ap == metrics.recall == metrics.recall_sure == pytest.approx(1.0)
        assert (metrics.lying, metrics.recall_lying) == (1, 1.0)

    def test_a_double_counts_as_wrong_and_half_the_boxes_as_half_the_recall(self):
        boxes = self.TRUTH[[0, 0]]
        metrics = evaluate_detections([self.TRUTH], [(boxes, np.array([0.9, 0.8], np.float32))])

        assert metrics.recall == 0.5
        assert metrics.precision_sure == 0.5
        assert metrics.ap50 == pytest.approx(51 / 101)  # precision 1 up to recall 0.5
        assert metrics.recall_lying == 0.0

    def test_a_loose_box_counts_at_half_overlap_only(self):
        boxes = np.array([[0, 0, 10, 32]], np.float32)  # IoU 0.625
        metrics = evaluate_detections([self.TRUTH[:1]], [(boxes, np.array([0.9], np.float32))])

        assert metrics.ap50 == pytest.approx(1.0)
        assert metrics.ap == pytest.approx(0.3)  # right at 0.5, 0.55 and 0.6 of ten thresholds

    def test_lying_people_are_counted_above_the_score_that_one_false_box_in_ten_images_allows(self):
        lying, standing = self.TRUTH[1:], self.TRUTH[:1]
        nobody = np.array([[200, 200, 220, 240]], np.float32)

        def found(boxes, *scores):
            return boxes, np.array(scores, np.float32)

        truths = [lying] * 4 + [standing] * 16
        results = [found(lying, score) for score in (0.9, 0.7, 0.5, 0.3)]
        results += [found(nobody, score) for score in (0.8, 0.6, 0.4)] + [found(nobody[:0])] * 13
        metrics = evaluate_detections(truths, results)

        # Two false boxes in 20 images may pass, 0.8 and 0.6; the third, 0.4, may not.
        assert metrics.recall_lying_rare == 0.75
        assert metrics.recall_lying == 1.0
        assert metrics.ghosts == pytest.approx(2 / 20)  # 0.4 is not sure

    def test_nothing_found_and_nobody_there(self):
        nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

        assert evaluate_detections([self.TRUTH], [nothing]).ap50 == 0.0
        assert evaluate_detections([self.TRUTH[:0]], [nothing]).boxes == 0
