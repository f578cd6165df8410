// Golden vectors of FlexPrefill: the authors' selection and the attention over it.
//
// Cases are those of index.json. Selections must match exactly; distributions within 1e-5, outputs
// within 2e-5, the tolerances of the vectors' own description.

#include <fstream>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "attention/methods/dense.h"
#include "attention/methods/flexprefill.h"
#include "tests/quarry_golden/compare.h"
#include "tests/support/attention_fixture.h"

namespace quarry::golden {
namespace {

using nlohmann::json;

template <typename T>
std::optional<T> Optional(const json& j, const char* key) {
  if (!j.contains(key) || j[key].is_null()) return std::nullopt;
  return j[key].get<T>();
}

FlexPrefillConfig ConfigOf(const json& j) {
  FlexPrefillConfig c;
  c.gamma = j.at("gamma");
  c.tau = j.at("tau");
  c.block_size = j.at("block_size");
  c.min_budget = Optional<int64_t>(j, "min_budget").value_or(1);
  c.max_budget = Optional<int64_t>(j, "max_budget");
  c.selection = FlexSelectionRule::kReference;
  return c;
}

class FlexCase : public FlexPrefillObserver {
 public:
  FlexCase(const std::filesystem::path& root, const json& j)
      : case_(j), name_(j.at("case")), config_(ConfigOf(j)), compare_(root / name_) {
    // "F[:128]": the first 128 rows of set F.
    const std::string inputs = j.at("inputs");
    const std::string set = inputs.substr(0, inputs.find('['));
    q_ = ReadNpy(root / fmt::format("inputs_{}_q.npy", set));
    k_ = ReadNpy(root / fmt::format("inputs_{}_k.npy", set));
    v_ = ReadNpy(root / fmt::format("inputs_{}_v.npy", set));
    tokens_ = static_cast<int>(q_.shape.at(0));
    if (const size_t cut = inputs.find("[:"); cut != inputs.npos) {
      tokens_ = std::min(tokens_, std::stoi(inputs.substr(cut + 2)));
    }
    shape_ = {1, static_cast<int>(q_.shape.at(1)), static_cast<int>(k_.shape.at(1)),
              static_cast<int>(q_.shape.at(2))};
    interleave_ = Optional<bool>(j, "gqa_interleave").value_or(false);
  }

  void Run(Report& report) {
    const Status valid = Validate(AttentionConfig(config_));
    if (!valid.ok()) throw std::runtime_error(valid.message());
    const std::vector<float> q = Reordered(q_.f32, true);
    // Keys and queries are rotated already: every angle is 0.
    OneLayer layer(config_, shape_, DType::kF32, 10000, 0);
    SetFlexPrefillObserver(layer.state(), this);
    std::vector<float> out = layer.Call(q.data(), k_.f32.data(), v_.f32.data(), tokens_);
    if (const auto scale = Optional<double>(case_, "softmax_scale"))
      out = Rescaled(q, *scale, layer);
    compare_.NearArray("out", Reordered(out, false), 2e-5);
    if (Optional<bool>(case_, "dense_fallback").value_or(!compare_.Exists("block_idx"))) {
      compare_.Exact("dense fallback", heads_.empty(), true);
    } else {
      CheckSelection();
    }
    compare_.Write(name_, report);
  }

  void OnSelection(const PlanInput&, std::span<const FlexHead> heads) override {
    heads_.assign(heads.begin(), heads.end());
  }

 private:
  // The engine's heads are grouped by KV head; interleaved ones are renumbered.
  // [tokens][heads][dim] to the engine's order, or back from it.
  int VectorHead(int engine_head) const {
    if (!interleave_) return engine_head;
    return engine_head % shape_.group() * shape_.kv_heads + engine_head / shape_.group();
  }
  std::vector<float> Reordered(const std::vector<float>& x, bool to_engine) const {
    const int dim = shape_.head_dim;
    std::vector<float> y(static_cast<size_t>(int64_t{tokens_} * shape_.heads * dim));
    for (int64_t t = 0; t < tokens_; ++t) {
      for (int h = 0; h < shape_.heads; ++h) {
        const auto engine = (t * shape_.heads + h) * dim;
        const auto vectors = (t * shape_.heads + VectorHead(h)) * dim;
        std::copy_n(x.begin() + (to_engine ? vectors : engine), dim,
                    y.begin() + (to_engine ? engine : vectors));
      }
    }
    return y;
  }

  // The same selection, attended with another softmax scale: queries are multiplied instead.
  std::vector<float> Rescaled(std::vector<float> q, double scale, OneLayer& layer) const {
    const double factor = scale * std::sqrt(static_cast<double>(shape_.head_dim));
    for (float& x : q) x = static_cast<float>(static_cast<double>(x) * factor);
    AttentionPlan plan;
    const int64_t b = config_.block_size;
    for (int h = 0; h < static_cast<int>(heads_.size()); ++h) {
      const FlexHead& head = heads_[static_cast<size_t>(h)];
      for (size_t row = 0; row + 1 < head.row_ptr.size(); ++row) {
        const int begin = static_cast<int>(static_cast<int64_t>(row) * b);
        plan.Add({.heads = {h, h + 1},
                  .rows = {begin, std::min(tokens_, begin + static_cast<int>(b))},
                  .mask = Mask::Causal(),
                  .position = PositionRule::Absolute()});
        for (size_t i = head.row_ptr[row]; i < head.row_ptr[row + 1]; ++i) {
          const TokenPos first = head.blocks[i] * b;
          plan.AddSpan({first, std::min<TokenPos>(tokens_, first + b)});
        }
      }
    }
    if (heads_.empty()) {
      PlanInput in;
      in.n_rows = tokens_;
      PlanDense(in, {0, shape_.heads}, plan);
    }
    const Rope rope(PlainFrequencies(shape_.head_dim, 10000, 0), 1.0, shape_.head_dim);
    std::vector<float> cos(static_cast<size_t>(int64_t{tokens_} * rope.pairs())), sin(cos.size());
    rope.Angles(0, tokens_, cos.data(), sin.data());
    std::vector<float> out(q.size());
    const int64_t width = int64_t{shape_.heads} * shape_.head_dim;
    AttentionExecutor().Execute(plan,
                                {.layer = 0,
                                 .shape = &shape_,
                                 .kv_dtype = DType::kF32,
                                 .kv = &layer.kv(),
                                 .rope = &rope,
                                 .first = 0,
                                 .n_rows = tokens_,
                                 .q = q.data(),
                                 .q_stride = width,
                                 .cos = cos.data(),
                                 .sin = sin.data(),
                                 .out = out.data(),
                                 .out_stride = width},
                                layer.context());
    return out;
  }

  const FlexHead& OfVectorHead(int head) const {
    for (int h = 0; h < shape_.heads; ++h) {
      if (VectorHead(h) == head) return heads_[static_cast<size_t>(h)];
    }
    throw std::runtime_error("no such head");
  }

  void CheckSelection() {
    if (heads_.empty()) return compare_.Fail("selection", "none was made: the call was dense");
    std::vector<int64_t> pattern, count_v, count_s, n_v, n_s, index, head_ptr = {0};
    std::vector<float> js, a_bar, a_hat, slash;
    const auto blocks = static_cast<int64_t>(heads_[0].a_hat.size());
    for (int h = 0; h < shape_.heads; ++h) {
      const FlexHead& head = OfVectorHead(h);
      pattern.push_back(head.query_aware ? 1 : 0);
      count_v.push_back(head.token_count_v);
      count_s.push_back(head.token_count_s);
      n_v.push_back(head.n_v);
      n_s.push_back(head.n_s);
      js.push_back(static_cast<float>(head.js));
      a_bar.insert(a_bar.end(), head.a_bar.begin(), head.a_bar.end());
      a_hat.insert(a_hat.end(), head.a_hat.begin(), head.a_hat.end());
      slash.insert(slash.end(), head.slash.rbegin(), head.slash.rend());  // index M - 1 - offset
      for (size_t row = 0; row + 1 < head.row_ptr.size(); ++row) {
        for (size_t i = head.row_ptr[row]; i < head.row_ptr[row + 1]; ++i) {
          index.push_back(static_cast<int64_t>(row) * blocks + head.blocks[i]);
        }
      }
      head_ptr.push_back(static_cast<int64_t>(index.size()));
    }
    compare_.ExactArray("pattern", pattern);
    compare_.ExactArray("token_count_v", count_v);
    compare_.ExactArray("token_count_s", count_s);
    compare_.ExactArray("num_v", n_v);
    compare_.ExactArray("num_s", n_s);
    compare_.ExactArray("block_idx", index);
    compare_.ExactArray("head_ptr", head_ptr);
    std::vector<int64_t> mask(static_cast<size_t>(shape_.heads * blocks * blocks), 0);
    for (int h = 0; h < shape_.heads; ++h) {
      for (int64_t i = head_ptr[static_cast<size_t>(h)]; i < head_ptr[static_cast<size_t>(h) + 1];
           ++i) {
        mask[static_cast<size_t>(h * blocks * blocks + index[static_cast<size_t>(i)])] = 1;
      }
    }
    compare_.ExactArray("block_mask", mask);
    compare_.NearArray("js", js, 1e-5);
    compare_.NearArray("a_bar", a_bar, 1e-5);
    compare_.NearArray("a_hat", a_hat, 1e-5);
    compare_.NearArray("slash", slash, 1e-5);
  }

  const json& case_;
  std::string name_;
  FlexPrefillConfig config_;
  Comparison compare_;
  NpyArray q_, k_, v_;
  int tokens_ = 0;
  ModelShape shape_;
  bool interleave_ = false;
  std::vector<FlexHead> heads_;
};

}  // namespace

void CheckFlexPrefill(const std::filesystem::path& folder, Report& report) {
  std::ifstream in(folder / "index.json");
  if (!in) return report.Error("index.json", "cannot be opened");
  json index = json::parse(in);
  if (index.is_object() && index.contains("cases")) index = json(index["cases"]);
  for (const json& j : index) {
    const std::string name = j.value("case", "unnamed case");
    try {
      FlexCase(folder, j).Run(report);
    } catch (const std::exception& e) {
      report.Error(name, e.what());
    }
  }
}

}  // namespace quarry::golden
