// What of Qt the program needs, as functions of C. `ui.rs` declares them once more.

#include <QtWidgets>

// Calls `act(data)` from Qt's loop.
using Act = void (*)(void *data);

static int argument_count = 1;
static char program_name[] = "childset-qt";
static char *arguments[] = {program_name, nullptr};

extern "C" QApplication *ui_new() { return new QApplication(argument_count, arguments); }
extern "C" void ui_run() { QApplication::exec(); }
extern "C" void ui_quit() { QApplication::quit(); }
extern "C" void ui_free(QApplication *application) { delete application; }

// The ten lines that matter: a descriptor in Qt's loop, level-triggered.
extern "C" QSocketNotifier *notifier_new(int fd, Act act, void *data)
{
    auto *notifier = new QSocketNotifier(fd, QSocketNotifier::Read);
    QObject::connect(notifier, &QSocketNotifier::activated, [=] { act(data); });
    return notifier;
}

extern "C" void notifier_free(QSocketNotifier *notifier)
{
    notifier->setEnabled(false);
    delete notifier;
}

extern "C" QTimer *timer_new(int milliseconds, Act act, void *data)
{
    auto *timer = new QTimer;
    timer->setTimerType(Qt::PreciseTimer);
    QObject::connect(timer, &QTimer::timeout, [=] { act(data); });
    timer->start(milliseconds);
    return timer;
}

extern "C" void timer_free(QTimer *timer) { delete timer; }

static QString text(const char *bytes, size_t length) { return QString::fromUtf8(bytes, length); }

// A window: a table with one row a command, what the current one has written, and a button that stops it.
struct Panes {
    QWidget window;
    QTableWidget table;
    QPlainTextEdit output;
    QPushButton stop{"Stop"};
    // Whether the end of the output is to be shown as it grows: unless one has scrolled away from it.
    bool follow = true;
};

constexpr int columns = 6;

extern "C" Panes *panes_new(int rows)
{
    auto *panes = new Panes;
    panes->window.setWindowTitle("Commands");

    auto &table = panes->table;
    table.setRowCount(rows);
    table.setColumnCount(columns);
    table.setHorizontalHeaderLabels({"Command", "Status", "Time", "CPU", "Memory", "Processes"});
    table.setEditTriggers(QAbstractItemView::NoEditTriggers);
    table.setSelectionBehavior(QAbstractItemView::SelectRows);
    table.setSelectionMode(QAbstractItemView::SingleSelection);
    table.setWordWrap(false);
    auto *header = table.horizontalHeader();
    header->setSectionResizeMode(0, QHeaderView::Stretch);
    for (auto [column, width] : {std::pair{1, 190}, {2, 70}, {3, 80}, {4, 100}, {5, 80}})
        header->resizeSection(column, width);
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            auto *item = new QTableWidgetItem;
            if (column > 1)
                item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
            table.setItem(row, column, item);
        }

    // Lines that are too long are wrapped, which is its default.
    panes->output.setReadOnly(true);
    panes->output.setMaximumBlockCount(20'000);
    panes->output.setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));

    auto *bar = panes->output.verticalScrollBar();
    QObject::connect(bar, &QScrollBar::actionTriggered,
                     [=] { panes->follow = bar->sliderPosition() >= bar->maximum(); });
    QObject::connect(bar, &QScrollBar::rangeChanged, [=](int, int maximum) {
        if (panes->follow)
            bar->setValue(maximum);
    });

    auto *halves = new QSplitter(Qt::Vertical);
    halves->addWidget(&table);
    halves->addWidget(&panes->output);
    halves->setSizes({260, 240});
    auto *buttons = new QHBoxLayout;
    buttons->addWidget(&panes->stop);
    buttons->addStretch();
    auto *all = new QVBoxLayout(&panes->window);
    all->addLayout(buttons);
    all->addWidget(halves);
    panes->window.resize(900, 560);
    panes->window.show();
    return panes;
}

// Calls `act(data)` when another row is the current one, or `stop(data)` when the button is clicked.
extern "C" void panes_connect(Panes *panes, Act act, void *data, Act stop, void *stop_data)
{
    QObject::connect(&panes->table, &QTableWidget::currentCellChanged, [=](int row, int, int before, int) {
        if (row != before)
            act(data);
    });
    QObject::connect(&panes->stop, &QPushButton::clicked, [=] { stop(stop_data); });
}

extern "C" void panes_disconnect(Panes *panes)
{
    QObject::disconnect(&panes->table, &QTableWidget::currentCellChanged, nullptr, nullptr);
    panes->stop.disconnect();
}

extern "C" int panes_current(Panes *panes) { return panes->table.currentRow(); }
extern "C" void panes_select(Panes *panes, int row) { panes->table.setCurrentCell(row, 0); }
extern "C" void panes_can_stop(Panes *panes, bool can) { panes->stop.setEnabled(can); }

extern "C" void panes_set(Panes *panes, int row, int column, const char *bytes, size_t length)
{
    panes->table.item(row, column)->setText(text(bytes, length));
    if (column < 2)
        panes->table.item(row, column)->setToolTip(text(bytes, length));
}

// Calls `act(data, text, length)` with what a cell shows.
extern "C" void panes_get(Panes *panes, int row, int column,
                          void (*act)(void *data, const char *bytes, size_t length), void *data)
{
    QByteArray bytes = panes->table.item(row, column)->text().toUtf8();
    act(data, bytes.constData(), bytes.size());
}

extern "C" void panes_colour(Panes *panes, int row, int rgb, bool bold)
{
    auto *item = panes->table.item(row, 1);
    item->setForeground(QColor::fromRgb(rgb));
    auto font = item->font();
    font.setBold(bold);
    item->setFont(font);
}

// Replaces what is shown as the output, and shows its end.
extern "C" void panes_output(Panes *panes, const char *bytes, size_t length)
{
    panes->follow = true;
    panes->output.setPlainText(text(bytes, length));
    panes->output.verticalScrollBar()->setValue(panes->output.verticalScrollBar()->maximum());
}

// Appends to it, and follows the end unless one has scrolled away from it.
extern "C" void panes_append(Panes *panes, const char *bytes, size_t length)
{
    auto *bar = panes->output.verticalScrollBar();
    int place = bar->value();
    QTextCursor end(panes->output.document());
    end.movePosition(QTextCursor::End);
    end.insertText(text(bytes, length));
    bar->setValue(panes->follow ? bar->maximum() : place);
}

extern "C" void panes_free(Panes *panes)
{
    // Its parts are members here, and take themselves out of what they lie in.
    delete panes;
}

extern "C" void panes_close(Panes *panes) { panes->window.close(); }
