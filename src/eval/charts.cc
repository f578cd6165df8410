#include "eval/charts.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "eval/svg.h"

namespace quarry::eval {
namespace {

constexpr Colour kRed = {0xF0, 0x49, 0x6E};
constexpr Colour kYellow = {0xEB, 0xB8, 0x39};
constexpr Colour kGreen = {0x0C, 0xD7, 0x9F};
constexpr Colour kNothing = {0xDD, 0xDD, 0xDD};
constexpr Colour kGrid = {0xE2, 0xE2, 0xE2};
constexpr Colour kInk = {0x44, 0x44, 0x44};

Colour ColourOf(double score) { return ScaleColour(score, kRed, kYellow, kGreen); }

constexpr Colour kColours[] = {{0x1F, 0x77, 0xB4}, {0xD6, 0x27, 0x28}, {0x2C, 0xA0, 0x2C},
                               {0x94, 0x67, 0xBD}, {0xFF, 0x7F, 0x0E}, {0x17, 0xBE, 0xCF},
                               {0x8C, 0x56, 0x4B}, {0xE3, 0x77, 0xC2}};

// The range of one direction and where a value lies in it.
class Axis {
 public:
  explicit Axis(bool logarithmic) : log_(logarithmic) {}

  bool Shows(double x) const { return std::isfinite(x) && (!log_ || x > 0); }
  void Include(double x) {
    low_ = std::min(low_, Scale(x));
    high_ = std::max(high_, Scale(x));
  }
  // Room beyond the outermost values: `share` of the range, `least` where there is only one value.
  void Widen(double share, double least) {
    const double pad = low_ == high_ ? least : (high_ - low_) * share;
    low_ -= pad, high_ += pad;
  }
  bool empty() const { return !(low_ <= high_); }
  // 0 at the low end, 1 at the high end.
  double Share(double x) const { return (Scale(x) - low_) / (high_ - low_); }

  // Five steps, or powers of `base` with at most about ten ticks; multiples 2 and 5 between those
  // of ten if they are few.
  std::vector<double> Ticks(double base) const {
    std::vector<double> ticks;
    if (!log_) {
      for (int i = 0; i <= 5; ++i) ticks.push_back(low_ + (high_ - low_) * i / 5);
      return ticks;
    }
    const double first = std::floor(low_ / std::log(base)),
                 last = std::ceil(high_ / std::log(base));
    const double step = std::max(1.0, std::ceil((last - first) / 10));
    const bool between = base == 10 && last - first <= 3;
    for (double power = first; power <= last; power += step) {
      for (double multiple : {1.0, 2.0, 5.0}) {
        const double tick = std::pow(base, power) * multiple;
        const bool inside = Scale(tick) >= low_ - 1e-9 && Scale(tick) <= high_ + 1e-9;
        if (inside && (multiple == 1 || between)) ticks.push_back(tick);
      }
    }
    return ticks;
  }

 private:
  double Scale(double x) const { return log_ ? std::log(x) : x; }

  bool log_;
  double low_ = INFINITY;
  double high_ = -INFINITY;
};

constexpr double kChartWidth = 880, kChartHeight = 480;

void AddLines(const LineChart& chart, double top, SvgWriter& svg) {
  constexpr double kLeft = 70, kWidth = 620, kHeight = 360;
  top += 50;
  Axis x_axis(chart.log_x), y_axis(chart.log_y);
  const auto shown = [&](const std::pair<double, double>& point) {
    return x_axis.Shows(point.first) && y_axis.Shows(point.second);
  };
  for (const auto& line : chart.lines) {
    for (const auto& point : line.points) {
      if (!shown(point)) continue;
      x_axis.Include(point.first);
      y_axis.Include(point.second);
    }
  }
  svg.Text(kLeft, top - 22, chart.title, 15, TextAnchor::kStart);
  if (x_axis.empty()) {
    svg.Text(kLeft, top + 20, "no results", 13, TextAnchor::kStart);
    return;
  }
  x_axis.Widen(0, 1);
  y_axis.Widen(0.05, 1);
  const auto at_x = [&](double x) { return kLeft + kWidth * x_axis.Share(x); };
  const auto at_y = [&](double y) { return top + kHeight * (1 - y_axis.Share(y)); };

  for (double x : x_axis.Ticks(2)) {
    svg.Line(at_x(x), top, at_x(x), top + kHeight, kGrid);
    svg.Text(at_x(x), top + kHeight + 18,
             chart.log_x ? LengthLabel(std::llround(x)) : fmt::format("{:.0f}", x), 11);
  }
  for (double y : y_axis.Ticks(10)) {
    svg.Line(kLeft, at_y(y), kLeft + kWidth, at_y(y), kGrid);
    svg.Text(kLeft - 6, at_y(y) + 4, fmt::format("{:.4g}", y), 11, TextAnchor::kEnd);
  }
  svg.Line(kLeft, top, kLeft, top + kHeight, kInk);
  svg.Line(kLeft, top + kHeight, kLeft + kWidth, top + kHeight, kInk);
  svg.Text(kLeft + kWidth / 2, top + kHeight + 46, chart.x_label, 13);
  svg.Text(18, top + kHeight / 2, chart.y_label, 13, TextAnchor::kMiddle, -90);

  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const auto& line = chart.lines[i];
    const Colour colour = kColours[i % std::size(kColours)];
    const std::pair<double, double>* last = nullptr;
    for (const auto& point : line.points) {
      if (!shown(point)) continue;
      if (last != nullptr) {
        svg.Line(at_x(last->first), at_y(last->second), at_x(point.first), at_y(point.second),
                 colour, 2);
      }
      if (line.points.size() <= 50) {
        svg.Circle(at_x(point.first), at_y(point.second), 3, colour,
                   fmt::format("{}: {:.0f}, {:.4g}", line.name, point.first, point.second));
      }
      last = &point;
    }
    const double y = top + 14 + 18 * static_cast<double>(i);
    svg.Line(kLeft + kWidth + 14, y - 4, kLeft + kWidth + 34, y - 4, colour, 3);
    svg.Text(kLeft + kWidth + 40, y, line.name, 12, TextAnchor::kStart);
  }
}

}  // namespace

std::string LengthLabel(int64_t tokens) {
  if (tokens >= 1 << 20 && tokens % (1 << 20) == 0) return fmt::format("{}M", tokens >> 20);
  if (tokens >= 1 << 10 && tokens % (1 << 10) == 0) return fmt::format("{}K", tokens >> 10);
  return fmt::to_string(tokens);
}

std::string DrawHeatmap(const Heatmap& map) {
  constexpr double kLeft = 70, kTop = 50, kBottom = 78, kRight = 90;
  const double cell_width =
      std::clamp(900.0 / std::max<double>(1, static_cast<double>(map.lengths.size())), 26.0, 90.0);
  const double cell_height =
      std::clamp(420.0 / std::max<double>(1, static_cast<double>(map.depths.size())), 14.0, 42.0);
  const double width = cell_width * static_cast<double>(map.lengths.size());
  const double height = cell_height * static_cast<double>(map.depths.size());
  SvgWriter svg(std::max(kLeft + width + kRight, 480.0), kTop + height + kBottom);

  svg.Text(kLeft, 28, map.title, 15, TextAnchor::kStart);
  for (size_t row = 0; row < map.depths.size(); ++row) {
    const double y = kTop + static_cast<double>(row) * cell_height;
    svg.Text(kLeft - 8, y + cell_height / 2 + 4, fmt::to_string(map.depths[row]), 11,
             TextAnchor::kEnd);
    for (size_t column = 0; column < map.lengths.size(); ++column) {
      const std::optional<double>& score = map.cells[row][column];
      const std::string tip =
          fmt::format("{} tokens, depth {} %: {}", map.lengths[column], map.depths[row],
                      score ? fmt::format("{:.2f}", *score) : "no result");
      svg.Rectangle(kLeft + static_cast<double>(column) * cell_width + 0.5, y + 0.5, cell_width - 1,
                    cell_height - 1, score ? ColourOf(*score) : kNothing, tip);
    }
  }
  for (size_t column = 0; column < map.lengths.size(); ++column) {
    svg.Text(kLeft + (static_cast<double>(column) + 0.5) * cell_width, kTop + height + 16,
             LengthLabel(map.lengths[column]), 11);
  }
  svg.Text(kLeft + width / 2, kTop + height + 42, "context length in tokens", 13);
  svg.Text(18, kTop + height / 2, "depth in percent", 13, TextAnchor::kMiddle, -90);

  constexpr int kSteps = 50;
  for (int i = 0; i < kSteps; ++i) {
    const double value = 1 - (i + 0.5) / kSteps;
    svg.Rectangle(kLeft + width + 20, kTop + height * i / kSteps, 14, height / kSteps + 0.5,
                  ColourOf(value));
  }
  for (double value : {0.0, 0.5, 1.0}) {
    svg.Text(kLeft + width + 40, kTop + height * (1 - value) + 4, fmt::format("{:.1f}", value), 11,
             TextAnchor::kStart);
  }
  return svg.Finish();
}

std::string DrawLines(std::span<const LineChart> charts) {
  SvgWriter svg(kChartWidth, kChartHeight * std::max(1.0, static_cast<double>(charts.size())));
  for (size_t i = 0; i < charts.size(); ++i) {
    AddLines(charts[i], kChartHeight * static_cast<double>(i), svg);
  }
  return svg.Finish();
}

std::string DrawLines(const LineChart& chart) { return DrawLines(std::span(&chart, 1)); }

}  // namespace quarry::eval
