#include "ops/packed_matrix.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/dtype.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

// A matrix as a file holds it: rows of `dtype`, at an odd address.
struct FileMatrix {
  FileMatrix(Rng& rng, DType dtype, int64_t n, int64_t k)
      : type(dtype), rows(n), bytes(static_cast<size_t>(n * k) * SizeOf(dtype) + 1) {
    for (size_t i = 0; i < static_cast<size_t>(n * k); ++i) {
      StoreElement(type, bytes.data() + 1, i, RandomFloats(rng, 1, 3)[0]);
      values.push_back(LoadElement(type, bytes.data() + 1, i));
    }
  }
  MatrixRows view() const { return {bytes.data() + 1, type, rows}; }

  DType type;
  int64_t rows;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [n][k]
};

// Element (input i, column c) of a panel, by the layout's definition.
float Element(const PackedMatrix& m, int64_t panel, int64_t i, int64_t c) {
  const std::byte* p = m.panel(panel);
  if (m.panel_type(panel) == WeightType::kF32) {
    return LoadElement(DType::kF32, p, static_cast<size_t>(i * 64 + c));
  }
  if (m.panel_type(panel) == WeightType::kF16) {
    return LoadElement(DType::kF16, p, static_cast<size_t>(i * 64 + c));
  }
  return LoadElement(DType::kBF16, p, static_cast<size_t>(i / 2 * 128 + c * 2 + i % 2));
}

float Rounded(DType dtype, float x) {
  if (dtype == DType::kF16) return ToFloat(ToFloat16(x));
  return dtype == DType::kF32 ? x : ToFloat(ToBFloat16(x));
}

constexpr DType kFileTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr DType kPackedTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
constexpr int64_t kInputs[] = {2, 16, 30, 34, 64, 256, 530};

int64_t PaddedInputs(DType dtype, int64_t k) {
  return dtype == DType::kBF16 ? (k + 31) / 32 * 32 : (k + 15) / 16 * 16;
}

TEST(PackedMatrix, StacksRowsIntoPanels) {
  Rng rng(1);
  for (DType file : kFileTypes) {
    for (DType dtype : kPackedTypes) {
      for (int64_t k : kInputs) {
        // Parts that share a panel, fill one, and start one.
        const FileMatrix parts[] = {{rng, file, 5, k}, {rng, file, 100, k}, {rng, file, 23, k}};
        const MatrixRows views[] = {parts[0].view(), parts[1].view(), parts[2].view()};
        const PackedMatrix m = PackedMatrix::Stack(views, k, dtype);
        ASSERT_EQ(m.n(), 128);
        ASSERT_EQ(m.k(), k);
        ASSERT_EQ(m.n_panels(), 2);
        ASSERT_EQ(m.padded_n(), 128);
        const int64_t padded = PaddedInputs(dtype, k);
        ASSERT_EQ(m.panel_bytes(0), padded * 64 * static_cast<int64_t>(SizeOf(dtype)));
        ASSERT_EQ(m.size_bytes(), static_cast<size_t>(2 * m.panel_bytes(0)));
        int64_t row = 0;
        for (const FileMatrix& part : parts) {
          for (int64_t r = 0; r < part.rows; ++r, ++row) {
            for (int64_t i = 0; i < padded; ++i) {
              const float want =
                  i < k ? Rounded(dtype, part.values[static_cast<size_t>(r * k + i)]) : 0.0f;
              ASSERT_EQ(Element(m, row / 64, i, row % 64), want) << "row " << row << " input " << i;
            }
          }
        }
      }
    }
  }
}

TEST(PackedMatrix, ThreadsPackTheSameBytes) {
  Rng rng(5);
  ThreadPool threads(3);
  const FileMatrix gate(rng, DType::kF16, 300, 512), up(rng, DType::kF16, 300, 512);
  for (PackTarget target : {PackTarget{DType::kF16}, PackTarget{DType::kF32},
                            PackTarget{DType::kF32, WeightType::kQ8_0}}) {
    const PackedMatrix alone = PackedMatrix::Interleave(gate.view(), up.view(), 512, target);
    target.threads = &threads;
    const PackedMatrix together = PackedMatrix::Interleave(gate.view(), up.view(), 512, target);
    ASSERT_EQ(alone.size_bytes(), together.size_bytes());
    EXPECT_EQ(std::memcmp(alone.panel(0), together.panel(0), alone.size_bytes()), 0);
  }
}

TEST(PackedMatrix, PadsTheLastPanelWithZeros) {
  Rng rng(2);
  for (DType dtype : kPackedTypes) {
    const FileMatrix part(rng, DType::kF32, 70, 10);
    const MatrixRows views[] = {part.view()};
    const PackedMatrix m = PackedMatrix::Stack(views, 10, dtype);
    EXPECT_EQ(m.n(), 70);
    EXPECT_EQ(m.padded_n(), 128);
    for (int64_t c = 6; c < 64; ++c) {
      for (int64_t i = 0; i < 16; ++i) ASSERT_EQ(Element(m, 1, i, c), 0.0f);
    }
  }
}

TEST(PackedMatrix, InterleavesGateAndUp) {
  Rng rng(3);
  for (DType dtype : kPackedTypes) {
    const FileMatrix gate(rng, DType::kBF16, 100, 18), up(rng, DType::kBF16, 100, 18);
    const PackedMatrix m = PackedMatrix::Interleave(gate.view(), up.view(), 18, dtype);
    EXPECT_EQ(m.n(), 200);
    EXPECT_EQ(m.n_panels(), 4);
    for (int64_t r = 0; r < 128; ++r) {
      for (int64_t i = 0; i < 18; ++i) {
        const auto at = static_cast<size_t>(r * 18 + i);
        ASSERT_EQ(Element(m, r / 64 * 2, i, r % 64), r < 100 ? gate.values[at] : 0.0f);
        ASSERT_EQ(Element(m, r / 64 * 2 + 1, i, r % 64), r < 100 ? up.values[at] : 0.0f);
      }
    }
  }
}

TEST(PackedMatrix, BiasFollowsTheColumns) {
  Rng rng(4);
  const FileMatrix a(rng, DType::kF32, 40, 4), b(rng, DType::kF32, 50, 4);
  const MatrixRows views[] = {a.view(), b.view()};
  PackedMatrix m = PackedMatrix::Stack(views, 4, DType::kF32);
  EXPECT_TRUE(m.bias().empty());
  m.SetStackedBias(std::vector<std::vector<float>>{RandomFloats(rng, 40), RandomFloats(rng, 50)});
  ASSERT_EQ(m.bias().size(), 128u);
  for (size_t i = 0; i < 90; ++i) EXPECT_NE(m.bias()[i], 0.0f);
  for (size_t i = 90; i < 128; ++i) EXPECT_EQ(m.bias()[i], 0.0f);

  const FileMatrix gate(rng, DType::kF32, 70, 4), up(rng, DType::kF32, 70, 4);
  PackedMatrix pair = PackedMatrix::Interleave(gate.view(), up.view(), 4, DType::kF32);
  const auto gate_bias = RandomFloats(rng, 70), up_bias = RandomFloats(rng, 70);
  pair.SetInterleavedBias(gate_bias, up_bias);
  ASSERT_EQ(pair.bias().size(), 256u);
  for (size_t i = 0; i < 128; ++i) {
    EXPECT_EQ(pair.bias()[i / 64 * 128 + i % 64], i < 70 ? gate_bias[i] : 0.0f);
    EXPECT_EQ(pair.bias()[i / 64 * 128 + 64 + i % 64], i < 70 ? up_bias[i] : 0.0f);
  }
}

}  // namespace
}  // namespace quarry
