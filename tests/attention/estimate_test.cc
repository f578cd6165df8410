// Sums and masses that selections are estimated from, for keys of every storage type.

#include "attention/estimate.h"

#include <gtest/gtest.h>

#include "attention/kv_rows.h"
#include "tests/reference/prefill_selection.h"
#include "tests/support/layer_inputs.h"
#include "tests/support/prefill_runs.h"

namespace quarry {
namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kI8};
constexpr int kTokens = 90;

class EstimateTest : public testing::TestWithParam<DType> {
 protected:
  EstimateTest() {
    Rng rng(5);
    inputs_ = RandomInputs(rng, {1, 4, 2, 40}, kTokens);
    layer_ = std::make_unique<PrefilledLayer>(DenseConfig{}, inputs_.shape, GetParam(), kTokens,
                                              inputs_.q, inputs_.k, inputs_.v,
                                              &kernels::ScalarKernels());
  }
  // A key as the store holds it.
  std::vector<float> Key(int kv_head, TokenPos t) {
    std::vector<float> key(40);
    ReadKey(layer_->layer().kv(), 0, KvPlane::kRotatedKeys, kv_head, t, GetParam(), 40, key.data());
    return key;
  }

  LayerInputs inputs_;
  std::unique_ptr<PrefilledLayer> layer_;
};

TEST_P(EstimateTest, SumsOfKeyBlocks) {
  const std::vector<float> sums = SumKeyBlocks(layer_->Input(), 32, kTokens, layer_->context());
  ASSERT_EQ(sums.size(), 2u * 3 * 40);
  for (int head = 0; head < 2; ++head) {
    for (int block = 0; block < 3; ++block) {
      std::vector<double> want(40, 0.0);
      for (TokenPos t = block * 32; t < std::min(kTokens, (block + 1) * 32); ++t) {
        const std::vector<float> key = Key(head, t);
        for (size_t c = 0; c < 40; ++c) want[c] += static_cast<double>(key[c]);
      }
      for (size_t c = 0; c < 40; ++c) {
        // 32 numbers of at most 1.5, added in f32.
        ASSERT_NEAR(sums[static_cast<size_t>(head * 3 + block) * 40 + c], want[c],
                    32 * 48 * 0x1p-24)
            << "head " << head << " block " << block << " channel " << c;
      }
    }
  }
}

TEST_P(EstimateTest, MassByKeyAndByDistance) {
  const TokenRange last = {kTokens - 20, kTokens};
  const PlanInput in = layer_->Input();
  const auto mass =
      ComputeLineMass(in, last, RotatedQueries(in, last, layer_->context()), layer_->context());
  ASSERT_EQ(mass.size(), 4u);
  for (int head = 0; head < 4; ++head) {
    reference::HeadRows rows;
    for (TokenPos t = 0; t < kTokens; ++t) {
      const auto q = inputs_.q.begin() + (t * 4 + head) * 40;
      rows.q.emplace_back(q, q + 40);
      const std::vector<float> key = Key(head / 2, t);
      rows.k.emplace_back(key.begin(), key.end());
    }
    const reference::Mass want = reference::LineMass(rows, 20);
    const LineMass& got = mass[static_cast<size_t>(head)];
    for (size_t i = 0; i < kTokens; ++i) {
      // Up to 20 probabilities, each off by 4e-5 of itself at most: scores of up to 15 in f32.
      ASSERT_NEAR(got.column[i], want.column[i], 4e-5 * want.column[i] + 1e-9);
      ASSERT_NEAR(got.distance[i], want.distance[i], 4e-5 * want.distance[i] + 1e-9);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EstimateTest, testing::ValuesIn(kTypes),
                         [](const auto& test) { return std::string(DTypeName(test.param)); });

}  // namespace
}  // namespace quarry
