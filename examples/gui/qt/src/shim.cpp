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

// A window that is a table: one row a command.
extern "C" QTableWidget *table_new(int rows)
{
    auto *table = new QTableWidget(rows, 3);
    table->setWindowTitle("Commands");
    table->setHorizontalHeaderLabels({"Command", "Status", "Processor time"});
    table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setWordWrap(false);
    auto *header = table->horizontalHeader();
    header->setSectionResizeMode(0, QHeaderView::Stretch);
    header->resizeSection(1, 230);
    header->resizeSection(2, 130);
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < 3; column++)
            table->setItem(row, column, new QTableWidgetItem);
    table->resize(800, 500);
    table->show();
    return table;
}

extern "C" void table_set(QTableWidget *table, int row, int column, const char *bytes, size_t length)
{
    table->item(row, column)->setText(text(bytes, length));
    table->item(row, column)->setToolTip(text(bytes, length));
}

// Calls `act(data, text, length)` with what a cell shows.
extern "C" void table_get(QTableWidget *table, int row, int column,
                          void (*act)(void *data, const char *bytes, size_t length), void *data)
{
    QByteArray bytes = table->item(row, column)->text().toUtf8();
    act(data, bytes.constData(), bytes.size());
}

extern "C" void table_colour(QTableWidget *table, int row, int rgb)
{
    table->item(row, 1)->setForeground(QColor::fromRgb(rgb));
}

extern "C" void table_free(QTableWidget *table) { delete table; }
