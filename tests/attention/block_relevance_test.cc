#include "attention/methods/block_relevance.h"

#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tensor/dtype.h"
#include "tests/reference/infllm_model.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

using testing::ElementsAreArray;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct TopRow {
  const char* name;
  std::vector<float> scores;
  int64_t k;
  std::vector<int64_t> best_first;
};

const TopRow kTop[] = {
    {"plain", {1, 5, 3, 4}, 2, {1, 3}},
    {"fewer candidates than k", {1, 5}, 4, {1, 0}},
    {"as many as k", {1, 5, 3}, 3, {1, 2, 0}},
    {"none", {}, 3, {}},
    {"one", {2, 7, 1}, 1, {1}},
    {"all equal: the first ones", {2, 2, 2, 2, 2}, 3, {0, 1, 2}},
    {"a tie at the border", {1, 3, 2, 2, 2}, 3, {1, 2, 3}},
    {"a tie at the border, seen from behind", {2, 2, 2, 3, 1}, 2, {3, 0}},
    {"negative", {-5, -1, -3}, 2, {1, 2}},
    {"both zeros are equal", {-0.0f, 0.0f, -0.0f}, 2, {0, 1}},
    {"infinities", {kInf, 1, -kInf, kInf}, 3, {0, 3, 1}},
    {"NaN is lowest", {kNan, 1, kNan, 0, -7}, 3, {1, 3, 4}},
    {"NaN only where nothing else is left", {kNan, 1, kNan}, 2, {1, 0}},
    {"all NaN", {kNan, kNan, kNan}, 2, {0, 1}},
};

TEST(TopBlocks, Table) {
  for (const TopRow& row : kTop) {
    SCOPED_TRACE(row.name);
    std::vector<int64_t> got = {99};
    TopBlocks(row.scores, row.k, got);
    EXPECT_THAT(got, ElementsAreArray(row.best_first));
  }
}

TEST(TopBlocks, FollowsTheModelWithManyTies) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    std::vector<float> scores;
    for (uint64_t n = rng.Below(60); n > 0; --n) {
      scores.push_back(static_cast<float>(static_cast<int>(rng.Below(9)) - 4));
    }
    const auto k = 1 + static_cast<int64_t>(rng.Below(12));
    std::vector<int64_t> got;
    TopBlocks(scores, k, got);
    ASSERT_EQ(got, reference::Best({scores.begin(), scores.end()}, k)) << "seed " << seed;
  }
}

struct MeasureRow {
  BlockSimilarity similarity;
  reference::Measure measure;
};

constexpr MeasureRow kMeasures[] = {
    {BlockSimilarity::kDot, reference::Measure::kDot},
    {BlockSimilarity::kCosine, reference::Measure::kCosine},
    {BlockSimilarity::kL2, reference::Measure::kL2},
    {BlockSimilarity::kNormalizedL2, reference::Measure::kNormalizedL2},
    {BlockSimilarity::kDotMinusL2, reference::Measure::kDotMinusL2},
    {BlockSimilarity::kAngular, reference::Measure::kAngular},
    {BlockSimilarity::kPearson, reference::Measure::kPearson},
};

// Representatives of `heads` heads, as numbers and as stored.
struct Memory {
  Memory(Rng& rng, DType dtype, int64_t n, int64_t width)
      : rows(static_cast<size_t>(width) * SizeOf(dtype)) {
    for (int64_t j = 0; j < n; ++j) {
      std::byte* row = rows.Append();
      numbers.emplace_back();
      for (int64_t i = 0; i < width; ++i) {
        StoreElement(dtype, row, static_cast<size_t>(i), RandomFloats(rng, 1, 2)[0]);
        numbers.back().push_back(
            static_cast<double>(LoadElement(dtype, row, static_cast<size_t>(i))));
      }
    }
  }
  RowStore rows;
  std::vector<std::vector<double>> numbers;
};

class BlockRelevanceTest : public testing::TestWithParam<const kernels::KernelTable*> {};

TEST_P(BlockRelevanceTest, MatchesFloat64) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed % 3);
    const int64_t dim = 8 * (1 + static_cast<int64_t>(rng.Below(16)));
    const int64_t heads = 1 + static_cast<int64_t>(rng.Below(4));
    // More than a slab of representatives, and odd numbers of them.
    const int64_t n = seed % 4 == 0 ? 1100 : 1 + static_cast<int64_t>(rng.Below(200));
    const Memory memory(rng, dtype, n, heads * dim);
    ExecContext ctx(*GetParam(), 1 + static_cast<int>(seed % 3));
    for (bool per_head : {false, true}) {
      const int64_t offset = per_head ? (heads - 1) * dim : 0;
      const int64_t width = per_head ? dim : heads * dim;
      const auto y = RandomFloats(rng, static_cast<size_t>(width), 2);
      const auto question = RandomFloats(rng, static_cast<size_t>(width), 2);
      for (const MeasureRow& m : kMeasures) {
        for (bool with_question : {false, true}) {
          SCOPED_TRACE(fmt::format("seed {} {} width {} at {} measure {} question {}", seed,
                                   DTypeName(dtype), width, offset, static_cast<int>(m.measure),
                                   with_question));
          RelevanceQuery query = {.rows = &memory.rows,
                                  .dtype = dtype,
                                  .n = n,
                                  .offset = offset,
                                  .y = y,
                                  .question = {},
                                  .question_weight = 0.75,
                                  .similarity = m.similarity};
          if (with_question) query.question = question;
          std::vector<float> got(static_cast<size_t>(n) + 1, 99.0f);
          ScoreBlocks(query, ctx, std::span(got).first(static_cast<size_t>(n)));
          EXPECT_EQ(got.back(), 99.0f);
          for (size_t j = 0; j < static_cast<size_t>(n); ++j) {
            const std::vector<double> x(memory.numbers[j].begin() + offset,
                                        memory.numbers[j].begin() + offset + width);
            double want = reference::Similarity(m.measure, x, {y.begin(), y.end()});
            double size = 0;
            for (size_t i = 0; i < x.size(); ++i) {
              const double q = with_question ? 0.75 * static_cast<double>(question[i]) : 0;
              want += x[i] * q;
              size += std::abs(x[i]) * (std::abs(static_cast<double>(y[i])) + std::abs(q));
            }
            // A dot product is a sum of `width` products in f32, of a sum with the question. The
            // others are in double: sums lose 1e-13 of their size (a few thousand), roots and an
            // arc cosine that keeps 1e-6 from its end multiply by less than a thousand. Rounded
            // once to f32.
            const double sums = m.measure == reference::Measure::kDot
                                    ? (static_cast<double>(width) + 3) * kUnitF32 * size
                                    : 1e-9;
            const double bound = sums + 2 * kUnitF32 * std::abs(want);
            ASSERT_NEAR(static_cast<double>(got[j]), want, bound) << "block " << j;
          }
        }
      }
    }
  }
}

// A representative of zeros, a query equal to a representative.
TEST_P(BlockRelevanceTest, DegenerateVectors) {
  RowStore rows(8 * 4);
  const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1}, zeros[8] = {}, ramp[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const float* row : {zeros, ones, ramp}) std::memcpy(rows.Append(), row, sizeof ones);
  ExecContext ctx(*GetParam(), 1);
  for (const MeasureRow& m : kMeasures) {
    for (const float* y : {zeros, ones, ramp}) {
      std::vector<float> scores(3);
      ScoreBlocks({.rows = &rows,
                   .dtype = DType::kF32,
                   .n = 3,
                   .y = {y, 8},
                   .question = {},
                   .similarity = m.similarity},
                  ctx, scores);
      for (float s : scores) ASSERT_TRUE(std::isfinite(s)) << static_cast<int>(m.measure);
      if (m.measure == reference::Measure::kL2 || m.measure == reference::Measure::kNormalizedL2) {
        const size_t same = y == zeros ? 0 : y == ones ? 1 : 2;
        ASSERT_EQ(scores[same], 0.0f) << "a vector is at no distance from itself";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, BlockRelevanceTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
