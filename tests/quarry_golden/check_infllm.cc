// Golden vectors of one attention layer: inf-llm, qllm, stream-llm, infinite-lm, dense.
//
// Integer arrays must match exactly; floats within the tolerances of the vectors' own description:
// out 5e-5 absolute (keys are rotated once, at absolute positions), block_repr 1e-6, question_vec
// 1e-5, block_scores 1e-5 of the row's largest, sums of probabilities 1e-4 relative.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "attention/methods/infllm.h"
#include "tests/quarry_golden/report.h"
#include "tests/support/attention_fixture.h"
#include "tests/support/npy.h"

namespace quarry::golden {
namespace {

using nlohmann::json;

// Optional keys are absent or null.
template <typename T>
T Get(const json& j, const char* key, T fallback) {
  return j.contains(key) && !j[key].is_null() ? j[key].get<T>() : fallback;
}

AttentionConfig ConfigOf(const json& j) {
  const std::string type = j.at("type");
  if (type == "origin") return DenseConfig{};
  if (type == "stream-llm") return StreamLlmConfig{j.at("n_init"), j.at("n_local")};
  if (type == "infinite-lm") return InfiniteLmConfig{j.at("n_init"), j.at("n_local")};
  QLlmConfig c;
  c.n_init = j.at("n_init");
  c.n_local = j.at("n_local");
  c.block_size = j.at("block_size");
  c.topk = j.at("topk");
  c.repr_topk = j.at("repr_topk");
  c.exc_block_size = j.at("exc_block_size");
  c.max_cached_block = j.at("max_cached_block");
  const std::string strategy = j.at("cache_strategy");
  c.cache_strategy = strategy == "lru"     ? CachePolicy::kLru
                     : strategy == "lru-s" ? CachePolicy::kLruS
                                           : CachePolicy::kFifo;
  if (j.contains("score_decay") && !j["score_decay"].is_null()) c.score_decay = j["score_decay"];
  if (j.contains("chunk_topk_calc") && !j["chunk_topk_calc"].is_null()) {
    c.chunk_topk_calc = j["chunk_topk_calc"];
  }
  c.perhead = Get(j, "perhead", false);
  c.mask = Get<std::string>(j, "mask", "reference") == "strict" ? WindowMask::kStrict
                                                                : WindowMask::kReference;
  if (type == "inf-llm") return static_cast<const InfLlmConfig&>(c);
  if (type != "qllm") throw std::runtime_error("unknown type " + type);
  c.question_weight = j.at("question_weight");
  c.question_mode = Get<std::string>(j, "question_mode", "reference") == "strict"
                        ? QuestionMode::kStrict
                        : QuestionMode::kReference;
  return c;
}

// Compares as it goes; remembers the worst of every array.
class CaseChecker : public InfLlmObserver {
 public:
  explicit CaseChecker(const std::filesystem::path& folder) : folder_(folder) {
    std::ifstream in(folder / "case.json");
    if (!in) throw std::runtime_error((folder / "case.json").string() + ": cannot be opened");
    case_ = json::parse(in);
    shape_ = {1, case_.at("H"), case_.at("G"), case_.at("D")};
  }

  void Run(Report& report) {
    const AttentionConfig config = ConfigOf(case_);
    const Status valid = Validate(config);
    if (!valid.ok()) throw std::runtime_error(valid.message());
    OneLayer layer(config, shape_, DType::kF32, case_.at("base"), case_.at("distance_scale"));
    RequestHints hints;
    if (case_.contains("question")) hints.question = {case_["question"][0], case_["question"][1]};
    memory_ =
        std::holds_alternative<InfLlmConfig>(config) || std::holds_alternative<QLlmConfig>(config);
    if (memory_) SetInfLlmObserver(layer.state(), this);

    const NpyArray q = Load("q"), k = Load("k"), v = Load("v"), out = Load("out");
    const int64_t q_row = shape_.heads * shape_.head_dim;
    const int64_t kv_row = shape_.kv_heads * shape_.head_dim;
    int64_t t = 0;
    int call_index = 0;
    for (const json& call : case_.at("calls")) {
      const int n = call;
      call_ = call_index++;
      const std::vector<float> got = layer.Call(q.f32.data() + t * q_row, k.f32.data() + t * kv_row,
                                                v.f32.data() + t * kv_row, n, hints);
      for (size_t i = 0; i < got.size(); ++i) {
        Near("out", got[i], out.f32[static_cast<size_t>(t * q_row) + i], 5e-5);
      }
      t += n;
      CheckCacheTokens(layer, t);
    }
    CheckKeyCount(layer);
    if (memory_) {
      Exact("exec rows", exec_row_, Load("exec").shape[0]);
      Exact("blocks", block_, case_.at("blocks"));
      if (case_.contains("question_set_after_exec")) {
        Exact("question_set_after_exec", question_set_, case_["question_set_after_exec"]);
      }
    }

    std::string detail = fmt::format("max abs {:.1e} rel {:.1e}, {} selection mismatches",
                                     out_.max_abs, out_.max_rel, selection_mismatches_);
    for (const auto& [name, worst] : failures_) detail += fmt::format("; {}: {}", name, worst);
    report.Case(folder_.filename().string(), failures_.empty(), detail);
  }

  void OnBlock(const InfLlmBlock& b) override {
    const NpyArray& tokens = Load("repr_tokens");
    const NpyArray& scores = Load("local_score");
    const NpyArray& repr = Load("block_repr");
    if (b.index >= repr.shape[0]) return Fail("blocks", "more blocks than expected");
    for (size_t i = 0; i < b.repr_tokens.size(); ++i) {
      Exact("repr_tokens", b.repr_tokens[i],
            tokens.i32[static_cast<size_t>(b.index) * b.repr_tokens.size() + i]);
    }
    for (size_t i = 0; i < b.local_scores.size(); ++i) {
      Relative("local_score", b.local_scores[i],
               scores.f32[static_cast<size_t>(b.index) * b.local_scores.size() + i], 1e-4);
    }
    for (size_t i = 0; i < b.representative.size(); ++i) {
      Near("block_repr", b.representative[i],
           repr.f32[static_cast<size_t>(b.index) * b.representative.size() + i], 1e-6);
    }
    ++block_;
  }

  void OnStep(const InfLlmStep& s) override {
    const NpyArray& exec = Load("exec");
    const int64_t row = exec_row_++;
    if (row >= exec.shape[0]) return Fail("exec", "more exec blocks than expected");
    const int64_t columns = exec.shape[1];
    const auto n_local = case_.at("n_local").get<int64_t>();
    const int64_t want[] = {
        call_,          s.begin,         s.end,          std::max<int64_t>(0, s.begin - n_local),
        s.sinks_before, s.blocks_before, s.candidates,   s.tail.begin,
        s.tail.end,     s.sinks_after,   s.blocks_after, s.tail_start_after};
    for (int64_t c = 0; c < columns; ++c) {
      Exact("exec", want[c], exec.i32[static_cast<size_t>(row * columns + c)]);
    }
    for (size_t u = 0; u < s.selected.size(); ++u) CheckUnit(s, row, u);
    if (s.question != nullptr && !s.question->vector().empty() && question_set_ < 0) {
      question_set_ = row;
      CheckQuestion(*s.question);
    }
  }

 private:
  void CheckUnit(const InfLlmStep& s, int64_t row, size_t u) {
    const size_t units = s.selected.size();
    const auto at = [&](const NpyArray& a) {
      return (static_cast<size_t>(row) * units + u) * static_cast<size_t>(a.shape[2]);
    };
    const NpyArray& selected = Load("selected");
    const int before = static_cast<int>(failures_.count("selected"));
    ExactList("selected", s.selected[u], selected, at(selected));
    if (before == 0 && failures_.count("selected") != 0) ++selection_mismatches_;

    const NpyArray& scores = Load("block_scores");
    const std::vector<float>& got = s.block_scores[u];
    Exact("block_scores columns", static_cast<int64_t>(got.size()), s.candidates);
    double largest = 0;
    for (size_t j = 0; j < got.size(); ++j) {
      largest = std::max(largest, std::abs(static_cast<double>(scores.f32[at(scores) + j])));
    }
    for (size_t j = 0; j < got.size(); ++j) {
      Near("block_scores", got[j], scores.f32[at(scores) + j], 1e-5 * largest);
    }

    std::vector<BlockCache::Entry> held(s.caches[u].entries().begin(), s.caches[u].entries().end());
    std::sort(held.begin(), held.end(),
              [](const auto& a, const auto& b) { return a.block < b.block; });
    std::vector<int64_t> ids;
    for (const auto& e : held) ids.push_back(e.block);
    const NpyArray& cache_ids = Load("cache_ids");
    const NpyArray& values = Load("cache_values");
    ExactList("cache_ids", ids, cache_ids, at(cache_ids));
    for (size_t i = 0; i < held.size(); ++i) {
      Relative("cache_values", held[i].value, values.f32[at(values) + i], 1e-4);
    }
    std::vector<int64_t> evicted = s.evicted[u];
    std::sort(evicted.begin(), evicted.end());
    const NpyArray& expected = Load("cache_evicted");
    ExactList("cache_evicted", evicted, expected, at(expected));
  }

  void CheckQuestion(const QuestionVector& question) {
    const NpyArray& vector = Load("question_vec");
    for (size_t i = 0; i < vector.f32.size(); ++i) {
      Near("question_vec", question.vector()[i], vector.f32[i], 1e-5);
    }
    const QuestionTrace& trace = question.trace();
    ExactList("question_query_tokens", trace.query_tokens, Load("question_query_tokens"), 0);
    ExactList("question_score_tokens", trace.score_tokens, Load("question_score_tokens"), 0);
    const NpyArray& scores = Load("question_scores");
    for (size_t i = 0; i < scores.f32.size(); ++i) {
      Relative("question_scores", trace.scores[i], scores.f32[i], 1e-4);
    }
  }

  // stream-llm, infinite-lm: which tokens the store keeps after a call.
  void CheckCacheTokens(const OneLayer& layer, TokenPos size) {
    if (!Exists("cache_tokens")) return;
    const NpyArray& expected = Load("cache_tokens");
    const PlaneRule rule = layer.method().needs().planes[static_cast<size_t>(KvPlane::kValues)];
    std::vector<int64_t> kept;
    for (TokenPos t = 0; t < size; ++t) {
      if (rule.Keeps(t, size)) kept.push_back(t);
    }
    ExactList("cache_tokens", kept, expected,
              static_cast<size_t>(call_) * static_cast<size_t>(expected.shape[1]));
  }

  // Every row attends key_count keys per head; doubled tail keys count twice.
  void CheckKeyCount(const OneLayer& layer) {
    const NpyArray& count = Load("key_count");
    int64_t total = 0;
    for (int32_t c : count.i32) total += c;
    const std::string mask = Get<std::string>(case_, "mask", "");
    if (memory_ && mask != "strict") {
      // Density counts a doubled pair once; take the doubles out of the expectation.
      const NpyArray& exec = Load("exec");
      const auto n_local = case_.at("n_local").get<int64_t>();
      for (int64_t e = 0; e < exec.shape[0]; ++e) {
        const int32_t* x = exec.i32.data() + e * exec.shape[1];
        for (int64_t p = x[1]; p < x[2]; ++p) {
          total -= std::max<int64_t>(0, x[8] - std::max<int64_t>(x[7], p - n_local + 1));
        }
      }
    }
    Exact("key_count", layer.pairs().attended, total * shape_.heads);
  }

  bool Exists(const std::string& name) const {
    return std::filesystem::exists(folder_ / (name + ".npy"));
  }
  const NpyArray& Load(const std::string& name) {
    auto it = arrays_.find(name);
    if (it == arrays_.end()) it = arrays_.emplace(name, ReadNpy(folder_ / (name + ".npy"))).first;
    return it->second;
  }

  void Fail(const std::string& array, const std::string& what) { failures_.emplace(array, what); }
  void Exact(const char* array, int64_t got, int64_t want) {
    if (got != want) Fail(array, fmt::format("got {} want {}", got, want));
  }
  // `got` against a row of the array that is padded with -1.
  void ExactList(const char* name, const std::vector<int64_t>& got, const NpyArray& want,
                 size_t at) {
    const auto width = static_cast<size_t>(want.shape.back());
    const size_t limit = want.shape.size() == 1 || at == 0 ? want.i32.size() : at + width;
    size_t n = 0;
    const bool flat = got.size() > width;  // a whole array, not one row of it
    for (size_t i = at; i < (flat ? limit : at + width) && want.i32[i] >= 0; ++i, ++n) {
      if (n < got.size() && got[n] != want.i32[i]) {
        Fail(name, fmt::format("row {}: got {} want {}", exec_row_ - 1, got[n], want.i32[i]));
      }
    }
    Exact(name, static_cast<int64_t>(got.size()), static_cast<int64_t>(n));
  }
  void Near(const char* array, double got, double want, double tolerance) {
    if (std::string_view(array) == "out") {
      out_.Add(got, want);
      largest_out_ = std::max(largest_out_, std::abs(want));
      out_.SetScale(largest_out_);
    }
    if (!(std::abs(got - want) <= tolerance)) {
      Fail(array, fmt::format("got {:.7g} want {:.7g}, tolerance {:.1g}", got, want, tolerance));
    }
  }
  void Relative(const char* array, double got, double want, double tolerance) {
    Near(array, got, want, tolerance * std::abs(want) + 1e-9);
  }

  std::filesystem::path folder_;
  json case_;
  ModelShape shape_;
  bool memory_ = false;
  int call_ = 0;
  int64_t exec_row_ = 0;
  int64_t block_ = 0;
  int64_t question_set_ = -1;
  int selection_mismatches_ = 0;
  double largest_out_ = 0;
  Deviation out_;
  std::map<std::string, NpyArray> arrays_;
  std::map<std::string, std::string> failures_;  // first of each array
};

}  // namespace

void CheckInfLlm(const std::filesystem::path& folder, Report& report) {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "case.json")) cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  for (const auto& path : cases) {
    try {
      CaseChecker(path).Run(report);
    } catch (const std::exception& e) {
      report.Error(path.filename().string(), e.what());
    }
  }
}

}  // namespace quarry::golden
