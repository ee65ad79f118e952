"""What QGIS itself does for ``take_screenshots.py``: open, run, and grab the windows.

QGIS runs this file at its start (``--code``). Each step waits for the one before it.
"""

import json
import os
import time
from pathlib import Path

import processing
from qgis.core import QgsCoordinateReferenceSystem, QgsProject
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QTreeView
from qgis.utils import iface

TASK = json.loads(os.environ["FAIRWEATHER_SCREENSHOTS"])
SAMPLE = TASK["sample"]
# Of the thread that starts a process, which is the window's: where Linux tells how long it ran, and
# how long it waited for a processor.
OWN_SCHEDULE = Path("/proc/self/schedstat")
PARAMETERS = {
    "COLLECTION": "fairweather-sample",
    "CATALOG": f"{SAMPLE}/catalog.json",
    "AOI": f"{SAMPLE}/area.geojson",
    "START": "2024-01-01",
    "END": "2024-12-31",
    "MAX_CLOUD": 60,
}


def wait(seconds):
    """Let QGIS draw for some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)


def wait_until(is_true, seconds):
    """Let QGIS work until something is true, for some seconds at most."""
    end = time.monotonic() + seconds
    while not is_true() and time.monotonic() < end:
        wait(0.1)


def own_time():
    """Seconds that pass for this thread: not those in which it would work and others are let.

    Where the system does not tell of these, all pass.
    """
    now = time.monotonic()
    try:
        nanoseconds_in_queue = int(OWN_SCHEDULE.read_text(encoding="ascii").split()[1])
    except (OSError, LookupError, ValueError):
        return now
    return now - nanoseconds_in_queue / 1e9


def run(algorithm, parameters, picture_while_running=""):
    """Run an algorithm from its own dialog, as a user does.

    What came of it: the layer that arrived, after how long, and the window's longest pause in
    seconds of its own, whatever else the machine does.
    """
    dialog = processing.createAlgorithmDialog(f"fairweather:{algorithm}", parameters)
    dialog.show()
    dialog.resize(980, 720)
    wait(1)
    count = len(QgsProject.instance().mapLayers())
    began, ticks = time.monotonic(), [own_time()]
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(own_time()))
    timer.start(10)
    dialog.runButton().click()
    if picture_while_running:
        wait(3)
        dialog.grab().save(TASK[picture_while_running])
    wait_until(lambda: len(QgsProject.instance().mapLayers()) > count, 90)
    timer.stop()
    seconds = time.monotonic() - began
    wait(1)
    dialog.close()
    layer = newest_layer()
    return {
        "algorithm": algorithm,
        "layer": layer.name(),
        "valid": layer.isValid(),
        "renderer": layer.renderer().type(),
        "seconds": round(seconds, 2),
        "longest_pause": round(max(after - before for before, after in zip(ticks, ticks[1:])), 3),
    }


def show_only(layer):
    """Show one layer, with its legend open, on the whole canvas."""
    root = QgsProject.instance().layerTreeRoot()
    for node in root.findLayers():
        node.setItemVisibilityChecked(node.layer() is layer)
        node.setExpanded(node.layer() is layer)
    QgsProject.instance().setCrs(layer.crs())
    iface.setActiveLayer(layer)
    iface.mapCanvas().setExtent(layer.extent())
    iface.zoomToActiveLayer()
    show_toolbox(iface.mainWindow())
    iface.messageBar().clearWidgets()
    wait(2)


def newest_layer():
    """The layer on top of the layer tree."""
    return QgsProject.instance().layerTreeRoot().layerOrder()[0]


def show_toolbox(window):
    """Only the toolbox and the layers beside the map, and Fairweather's algorithms unfolded."""
    for dock in window.findChildren(QDockWidget):
        dock.setVisible(dock.objectName() in ("Layers", "ProcessingToolbox"))
    toolbox = window.findChild(QDockWidget, "ProcessingToolbox")
    layers = window.findChild(QDockWidget, "Layers")
    window.resizeDocks([layers, toolbox], [400, 300], Qt.Orientation.Horizontal)
    tree = toolbox.findChild(QTreeView)
    for row in range(tree.model().rowCount()):
        index = tree.model().index(row, 0)
        if index.data() == "Fairweather":
            tree.expand(index)
            for child in range(tree.model().rowCount(index)):
                tree.expand(tree.model().index(child, 0, index))
            tree.scrollTo(index, QTreeView.ScrollHint.PositionAtTop)
    wait(1)


def take_all():
    """Every picture, in the order of a user's work; what came of each run."""
    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, 1400, 900)
    iface.newProject()  # no welcome page
    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    show_toolbox(window)
    window.grab().save(TASK["toolbox"])
    dialog = processing.createAlgorithmDialog("fairweather:composite", PARAMETERS)
    dialog.show()
    dialog.resize(980, 860)
    wait(2)
    dialog.grab().save(TASK["dialog"])
    dialog.close()
    runs = [run("searchscenes", PARAMETERS)]
    show_only(newest_layer())
    window.grab().save(TASK["footprints"])
    runs.append(run("composite", PARAMETERS, "running"))
    show_only(newest_layer())
    window.grab().save(TASK["composite"])
    runs.append(run("composite", {**PARAMETERS, "BANDS": "NDVI"}))
    show_only(newest_layer())
    window.grab().save(TASK["ndvi"])
    return runs


def main():
    """Take the pictures and leave, whatever happens."""
    try:
        runs = take_all()
        Path(TASK["protocol"]).write_text(json.dumps(runs), encoding="utf-8")
    finally:
        QgsProject.instance().clear()  # a temporary layer would make QGIS ask before it leaves
        iface.actionExit().trigger()


QTimer.singleShot(2000, main)
