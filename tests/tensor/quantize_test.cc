#include "tensor/quantize.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/reference/ggml_blocks.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

TEST(Quantize, NamesAndSizes) {
  struct {
    WeightType type;
    const char* name;
    int64_t bytes;  // of 512 values
  } const rows[] = {
      {WeightType::kF32, "f32", 2048},   {WeightType::kF16, "f16", 1024},
      {WeightType::kBF16, "bf16", 1024}, {WeightType::kQ8_0, "q8_0", 544},
      {WeightType::kQ4_0, "q4_0", 288},  {WeightType::kQ4_1, "q4_1", 320},
      {WeightType::kQ5_0, "q5_0", 352},  {WeightType::kQ5_1, "q5_1", 384},
      {WeightType::kQ4_K, "q4_k", 288},  {WeightType::kQ5_K, "q5_k", 352},
      {WeightType::kQ6_K, "q6_k", 420},
  };
  EXPECT_EQ(std::size(rows), std::size(kWeightTypes));
  for (const auto& row : rows) {
    EXPECT_EQ(WeightTypeName(row.type), row.name);
    EXPECT_EQ(RowBytes(row.type, 512), row.bytes) << row.name;
    EXPECT_EQ(IsQuantized(row.type), row.name[0] == 'q') << row.name;
  }
}

TEST(Quantize, DequantizesEveryTypeAsTheFormatSays) {
  Rng rng(1);
  constexpr int64_t kN = 2048;
  for (WeightType type : kWeightTypes) {
    std::vector<std::byte> row = reference::RandomRow(type, kN, rng);
    row.insert(row.begin(), std::byte{0});  // an odd address
    std::vector<float> out(kN);
    DequantizeRow(type, row.data() + 1, kN, out.data());
    for (int64_t i = 0; i < kN; ++i) {
      const double expected = reference::QuantizedValue(type, row.data() + 1, i);
      // Products of the fields are exact in f32; a difference of two is rounded once.
      ASSERT_EQ(out[static_cast<size_t>(i)], static_cast<float>(expected))
          << WeightTypeName(type) << " element " << i;
    }
  }
}

// Quantised and read back: how far values in [-1, 1) are off at most, and in the mean square.
struct Errors {
  double largest = 0;
  double rms = 0;
};
Errors RoundTrip(WeightType type, const std::vector<float>& x) {
  std::vector<std::byte> row(static_cast<size_t>(RowBytes(type, static_cast<int64_t>(x.size()))));
  QuantizeRow(type, x.data(), static_cast<int64_t>(x.size()), row.data());
  Errors e;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = reference::QuantizedValue(type, row.data(), static_cast<int64_t>(i)) - x[i];
    e.largest = std::max(e.largest, std::fabs(d));
    e.rms += d * d;
  }
  e.rms = std::sqrt(e.rms / static_cast<double>(x.size()));
  return e;
}

TEST(Quantize, RoundTripsWithinAStep) {
  Rng rng(2);
  const std::vector<float> x = RandomFloats(rng, 256 * 64);
  EXPECT_EQ(RoundTrip(WeightType::kF32, x).largest, 0);
  EXPECT_LE(RoundTrip(WeightType::kF16, x).largest, std::ldexp(1.0, -12));
  EXPECT_LE(RoundTrip(WeightType::kBF16, x).largest, std::ldexp(1.0, -9));
  // Half a step of 1 / 127, and the rounding of the f16 scale times 127: 127 * 2^-11 / 127.
  EXPECT_LE(RoundTrip(WeightType::kQ8_0, x).largest, 0.5 / 127 + std::ldexp(1.0, -11));
  // A step is 1 / 8; the end opposite to the extreme may be a whole one off.
  EXPECT_LE(RoundTrip(WeightType::kQ4_0, x).largest, 1.0 / 8 + 0.01);
  // Uniform values in steps of 2 / 15 would be off by 2 / 15 / sqrt(12) = 0.0385 with exact scales.
  const Errors k = RoundTrip(WeightType::kQ4_K, x);
  EXPECT_LE(k.rms, 0.042);
  EXPECT_LE(k.largest, 0.2);
}

TEST(Quantize, KeepsZerosAndConstants) {
  const std::vector<float> zeros(256, 0.0f);
  for (WeightType type : {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_K}) {
    EXPECT_EQ(RoundTrip(type, zeros).largest, 0) << WeightTypeName(type);
    for (float c : {-0.75f, 0.75f}) {
      EXPECT_LE(RoundTrip(type, std::vector<float>(256, c)).largest, 0.75 / 60)
          << WeightTypeName(type) << " " << c;
    }
  }
}

std::vector<float> ReadBack(WeightType type, const std::vector<float>& x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<std::byte> row(static_cast<size_t>(RowBytes(type, n)));
  QuantizeRow(type, x.data(), n, row.data());
  std::vector<float> out(x.size());
  DequantizeRow(type, row.data(), n, out.data());
  return out;
}

// A value that no scale can hold spoils its own block at most, and there shows: its neighbours are
// what they were, 0 or not finite.
TEST(Quantize, ValuesWithoutAScaleStayInTheirBlock) {
  for (WeightType type : {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_K}) {
    std::vector<float> x(512, 1.0f);
    const std::vector<float> clean = ReadBack(type, x);
    for (float bad : {std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity(), 3e38f, -3e38f}) {
      SCOPED_TRACE(testing::Message() << WeightTypeName(type) << " " << bad);
      x[7] = bad;
      const std::vector<float> out = ReadBack(type, x);
      for (size_t i = 0; i < x.size(); ++i) {
        if (i >= static_cast<size_t>(BlockOf(type).values)) {
          ASSERT_EQ(out[i], clean[i]) << "element " << i;
        } else if (i != 7 && std::isfinite(out[i]) && out[i] != 0) {
          ASSERT_EQ(out[i], clean[i]) << "element " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace quarry
