#include "tests/reference/infllm_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quarry::reference {
namespace {

std::vector<double> Flat(const std::vector<std::vector<double>>& heads, size_t begin, size_t end) {
  std::vector<double> flat;
  for (size_t h = begin; h < end; ++h) flat.insert(flat.end(), heads[h].begin(), heads[h].end());
  return flat;
}

double Dot(const std::vector<double>& x, const std::vector<double>& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

void AddAbsolute(const std::vector<double>& x, double factor, std::vector<double>& sum) {
  for (size_t i = 0; i < x.size(); ++i) sum[i] += factor * std::abs(x[i]);
}

}  // namespace

double Similarity(Measure measure, const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double dot = Dot(x, y);
  const double x_norm = std::sqrt(Dot(x, x)), y_norm = std::sqrt(Dot(y, y));
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) distance += (x[i] - y[i]) * (x[i] - y[i]);
  distance = std::sqrt(distance);
  switch (measure) {
    case Measure::kDot:
      return dot;
    case Measure::kCosine:
      return x_norm * y_norm > 0 ? dot / (x_norm * y_norm) : 0;
    case Measure::kL2:
      return -distance;
    case Measure::kNormalizedL2:
      return -distance / (x_norm + y_norm + 1e-6);
    case Measure::kDotMinusL2:
      return dot - distance;
    case Measure::kAngular: {
      const double cosine = x_norm * y_norm > 0 ? dot / (x_norm * y_norm) : 0;
      return -std::acos(std::min(std::max(cosine, -1 + 1e-6), 1 - 1e-6));
    }
    case Measure::kPearson: {
      const double x_mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
      const double y_mean = std::accumulate(y.begin(), y.end(), 0.0) / n;
      double covariance = 0, x_variance = 0, y_variance = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        covariance += (x[i] - x_mean) * (y[i] - y_mean);
        x_variance += (x[i] - x_mean) * (x[i] - x_mean) / n;
        y_variance += (y[i] - y_mean) * (y[i] - y_mean) / n;
      }
      return covariance / (std::sqrt(x_variance) * std::sqrt(y_variance) * n + 1e-6);
    }
  }
  return 0;
}

std::vector<int64_t> Best(const std::vector<double>& scores, int64_t k) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(std::min(order.size(), static_cast<size_t>(k)));
  return order;
}

InfLlmModel::InfLlmModel(const InfLlmOptions& options, const Rotation& rotation, Rows q, Rows k,
                         Rows v, Chooser* chooser)
    : o_(options),
      rotation_(rotation),
      q_(std::move(q)),
      k_(std::move(k)),
      v_(std::move(v)),
      chooser_(chooser != nullptr ? chooser : &own_chooser_),
      local_scores_(static_cast<size_t>(q_.heads),
                    std::vector<double>(static_cast<size_t>(q_.tokens))),
      caches_(o_.per_head ? static_cast<size_t>(q_.heads) : 1,
              EvictionModel(o_.eviction, o_.cache_blocks, o_.decay)),
      out_(q_.x.size()) {}

void InfLlmModel::Call(int64_t n) {
  const int64_t begin = length_, end = length_ + n;
  for (int64_t a = begin; a < end; a += o_.X) RunExec(a, std::min(a + o_.X, end), begin, end);
  ++calls_;
}

void InfLlmModel::RunExec(int64_t a, int64_t b, int64_t call_begin, int64_t call_end) {
  ExecBlock e = {};
  e.call = calls_;
  e.begin = a;
  e.end = b;
  e.sinks = sinks_;
  e.blocks = static_cast<int64_t>(blocks_.size());
  e.candidates = e.blocks;
  if (o_.chunk_topk > 0 && call_end - call_begin > 1) {
    if (a == call_begin || a >= span_end_) {
      span_end_ = a + o_.chunk_topk / o_.X * o_.X;
      span_candidates_ = e.blocks;
    }
    e.candidates = span_candidates_;
  }
  e.tail_begin = tail_begin_;
  e.tail_end = std::max(tail_begin_, b - o_.L);
  Select(e);
  Attend(e);
  length_ = b;
  UpdateQuestion(e, call_begin, call_end);
  UpdateMemory(e);
  e.sinks_after = sinks_;
  e.blocks_after = static_cast<int64_t>(blocks_.size());
  e.tail_begin_after = tail_begin_;
  exec_.push_back(e);
}

// score(j) = similarity(representative of j, mean query) + weight * (representative . question),
// over the heads of a unit, queries standing at position L - 1.
void InfLlmModel::Select(ExecBlock& e) {
  const auto heads = static_cast<size_t>(q_.heads);
  const auto dim = static_cast<size_t>(q_.dim);
  const double n = static_cast<double>(e.end - e.begin);
  std::vector<std::vector<double>> mean(heads, std::vector<double>(dim)), size = mean;
  for (size_t h = 0; h < heads; ++h) {
    for (int64_t p = e.begin; p < e.end; ++p) {
      const auto q = rotation_.Rotate(q_.at(p, static_cast<int>(h)), q_.dim, o_.L - 1);
      for (size_t c = 0; c < dim; ++c) mean[h][c] += q[c] / n;
      AddAbsolute(q, 1 / n, size[h]);
    }
  }
  for (size_t u = 0; u < caches_.size(); ++u) {
    const size_t first = o_.per_head ? u : 0, last = o_.per_head ? u + 1 : heads;
    Choice choice = {Choice::Of::kBlocks,
                     static_cast<int64_t>(exec_.size()),
                     static_cast<int64_t>(u),
                     o_.K,
                     {},
                     {}};
    for (int64_t j = 0; j < e.candidates; ++j) {
      const MemoryBlock& block = blocks_[static_cast<size_t>(j)];
      const auto x = Flat(block.representative, first, last);
      const auto x_size = Flat(block.size, first, last);
      double score = Similarity(o_.measure, x, Flat(mean, first, last));
      double score_size = Dot(x_size, Flat(size, first, last));
      if (!question_.empty()) {
        const auto question = Flat(question_, first, last);
        score += o_.question_weight * Dot(question, x);
        std::vector<double> absolute(question.size());
        AddAbsolute(question, 1, absolute);
        score_size += o_.question_weight * Dot(absolute, x_size);
      }
      choice.scores.push_back(score);
      choice.size.push_back(score_size);
    }
    std::vector<int64_t> chosen;  // in the order in which blocks are loaded
    if (e.candidates <= o_.K) {
      for (int64_t j = 0; j < e.candidates; ++j) chosen.push_back(j);
    } else {
      chosen = chooser_->Choose(choice);
    }
    e.scores.push_back(choice.scores);
    e.sizes.push_back(choice.size);
    e.evicted.push_back(caches_[u].Select(chosen));
    std::sort(chosen.begin(), chosen.end());
    e.selected.push_back(chosen);
  }
}

void InfLlmModel::Attend(const ExecBlock& e) {
  std::vector<std::map<int64_t, double>> mass(caches_.size());
  for (int h = 0; h < q_.heads; ++h) {
    const size_t unit = o_.per_head ? static_cast<size_t>(h) : 0;
    for (int64_t p = e.begin; p < e.end; ++p) {
      std::vector<Term> terms;
      for (int64_t t = std::max<int64_t>(0, p - o_.L + 1); t <= p; ++t) terms.push_back({t, p - t});
      const size_t local = terms.size();
      for (int64_t j : e.selected[unit]) {
        for (int64_t i = 0; i < o_.B; ++i) terms.push_back({o_.I + j * o_.B + i, o_.L - 1});
      }
      for (int64_t t = 0; t < e.sinks; ++t) terms.push_back({t, o_.L - 1});
      for (int64_t t = e.tail_begin; t < e.tail_end; ++t) {
        if (!o_.strict_mask || p - t >= o_.L) terms.push_back({t, o_.L - 1});
      }
      const Attention r = MaskedAttention(rotation_, q_.at(p, h), k_, v_, KvHead(h), terms);
      std::copy(r.out.begin(), r.out.end(), out_.begin() + (p * q_.heads + h) * q_.dim);
      for (size_t i = 0; i < local; ++i) {
        local_scores_[static_cast<size_t>(h)][static_cast<size_t>(terms[i].key)] +=
            r.probability[i];
      }
      for (size_t i = 0; i < e.selected[unit].size() * static_cast<size_t>(o_.B); ++i) {
        mass[unit][e.selected[unit][i / static_cast<size_t>(o_.B)]] += r.probability[local + i];
      }
    }
  }
  for (size_t u = 0; u < caches_.size(); ++u) caches_[u].AddMass(mass[u]);
}

// Once, after the first execution block that ends beyond the window (strict: and behind the
// question): per head the mean of the rotated queries whose tokens received most attention.
void InfLlmModel::UpdateQuestion(const ExecBlock& e, int64_t call_begin, int64_t call_end) {
  const int64_t begin = o_.question_begin, end = o_.question_end;
  if (question_closed_ || begin >= end || e.end <= o_.L) return;
  if (o_.strict_question && e.end < end) return;
  question_closed_ = true;
  // Rows of the question: tokens whose scores rank them, and tokens whose queries are averaged. The
  // reference takes the queries by their row in the current call.
  const int64_t query_offset = o_.strict_question ? 0 : call_begin;
  const int64_t last = o_.strict_question ? end : std::min(end, call_end - call_begin);
  if (last <= begin) return;
  for (int h = 0; h < q_.heads; ++h) {
    const auto& all = local_scores_[static_cast<size_t>(h)];
    const std::vector<double> scores(all.begin() + begin, all.begin() + last);
    const auto chosen = chooser_->Choose({Choice::Of::kQuestion, query_offset + begin, h,
                                          std::min(o_.R, last - begin), scores, scores});
    std::vector<double> mean(static_cast<size_t>(q_.dim));
    for (int64_t row : chosen) {
      const auto q = rotation_.Rotate(q_.at(query_offset + begin + row, h), q_.dim, o_.L - 1);
      for (size_t c = 0; c < mean.size(); ++c) mean[c] += q[c] / static_cast<double>(chosen.size());
    }
    question_.push_back(mean);
  }
  question_set_after_ = static_cast<int64_t>(exec_.size());
}

void InfLlmModel::UpdateMemory(ExecBlock& e) {
  int64_t rest = e.end - tail_begin_;
  if (!sinks_complete_ && rest > o_.L) {
    const int64_t take = std::min(o_.I - sinks_, rest - o_.L);
    sinks_ += take;
    tail_begin_ += take;
    rest -= take;
    sinks_complete_ = sinks_ == o_.I;
  }
  for (; rest - o_.B >= o_.L; rest -= o_.B) FormBlock();
}

void InfLlmModel::FormBlock() {
  MemoryBlock block;
  for (int h = 0; h < q_.heads; ++h) {
    const auto& all = local_scores_[static_cast<size_t>(h)];
    const std::vector<double> scores(all.begin() + tail_begin_, all.begin() + tail_begin_ + o_.B);
    auto chosen = chooser_->Choose({Choice::Of::kRepresentatives,
                                    static_cast<int64_t>(blocks_.size()), h, o_.R, scores, scores});
    std::sort(chosen.begin(), chosen.end());
    const auto dim = static_cast<size_t>(k_.dim);
    std::vector<double> mean(dim), size(dim);
    for (int64_t& t : chosen) {
      t += tail_begin_;
      const double* key = k_.at(t, KvHead(h));
      for (size_t c = 0; c < dim; ++c) {
        mean[c] += key[c] / static_cast<double>(o_.R);
        size[c] += std::abs(key[c]) / static_cast<double>(o_.R);
      }
    }
    block.tokens.push_back(chosen);
    block.local_scores.push_back(scores);
    block.representative.push_back(mean);
    block.size.push_back(size);
  }
  blocks_.push_back(block);
  tail_begin_ += o_.B;
}

}  // namespace quarry::reference
