// The bundled models against reference logits and greedy continuations, computed in float32 from
// the same weights by another implementation (models/*/README.md).

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/dispatch.h"
#include "model/model.h"
#include "ops/rope_frequencies.h"
#include "tests/support/npy.h"
#include "tests/support/paths.h"

namespace quarry {
namespace {

struct Case {
  const char* model;
  DType weights;
  DType kv;
  double tolerance;
  bool greedy = true;
};

class BundledModel : public testing::TestWithParam<Case> {};

TEST_P(BundledModel, MatchesReferenceLogitsAndGreedyIds) {
  const Case& c = GetParam();
  const auto folder = SourcePath("models") / c.model;
  auto model = Model::Load(folder, c.weights);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ExecContext ctx(**kernels::ChooseKernelsFromEnvironment(), 2);
  const auto dense = std::make_shared<const MethodSet>(DenseConfig{}, (*model)->shape().layers);

  std::ifstream in(folder / "reference/expected.json");
  const auto expected = nlohmann::json::parse(in);
  const auto vocab = static_cast<size_t>((*model)->config().vocab_size);
  double worst = 0;
  for (const auto& prompt : expected.at("prompts")) {
    const auto ids = prompt.at("prompt_ids").get<std::vector<TokenId>>();
    const auto greedy = prompt.at("greedy_ids").get<std::vector<TokenId>>();
    const NpyArray want =
        ReadNpy(folder / "reference" / prompt.at("logits_file").get<std::string>());
    ASSERT_EQ(want.f32.size(), vocab);

    Sequence sequence((*model)->shape(),
                      MakeRope((*model)->config().rope, (*model)->shape().head_dim, 8192), dense,
                      {.kv_dtype = c.kv, .hints = {}});
    std::vector<float> logits(vocab);
    ASSERT_TRUE((*model)->Forward(ids, sequence, ctx, logits, {}).ok());
    for (size_t i = 0; i < vocab; ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(logits[i] - want.f32[i])));
    }
    for (size_t step = 0; step < greedy.size() && c.greedy; ++step) {
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      ASSERT_EQ(best, greedy[step]) << "prompt " << prompt.at("id") << " step " << step;
      const TokenId next[] = {static_cast<TokenId>(best)};
      ASSERT_TRUE((*model)->Forward(next, sequence, ctx, logits, {}).ok());
    }
  }
  EXPECT_LE(worst, c.tolerance);
  RecordProperty("worst_logit_error", std::to_string(worst));
  std::printf("worst logit error %.2e\n", worst);
}

INSTANTIATE_TEST_SUITE_P(
    Models, BundledModel,
    testing::Values(Case{"needle-5m", DType::kF32, DType::kF32, 1e-3},
                    Case{"needle-5m", DType::kBF16, DType::kF16, 2e-2},
                    Case{"needle-5m-8k", DType::kF32, DType::kF32, 1e-3},
                    Case{"needle-5m-8k", DType::kBF16, DType::kF16, 2e-2},
                    // int8 is a quality to choose, not one that greedy text must survive: at
                    // 0.4% of a block's largest number its logits are off ten times as much.
                    Case{"needle-5m", DType::kF32, DType::kI8, 2e-1, false},
                    Case{"needle-5m-8k", DType::kF32, DType::kI8, 2e-1, false}),
    [](const auto& test) {
      std::string name = test.param.model;
      std::replace(name.begin(), name.end(), '-', '_');
      return name + (test.param.weights == DType::kF32 ? "_f32_" : "_bf16_") +
             std::string(DTypeName(test.param.kv));
    });

}  // namespace
}  // namespace quarry
